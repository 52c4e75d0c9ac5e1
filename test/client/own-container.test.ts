import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isWithin, type Whereabouts } from "../../src/client/own-container.js";

const UPPER = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs";
const ROOT = `612 540 0:88 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=${UPPER},workdir=/w`;
const PROC = "613 612 0:91 / /proc rw - proc proc rw";

describe("a process", () => {
  const within = (known: Partial<Whereabouts>) =>
    isWithin({
      cgroups: "0::/\n",
      mountinfo: `25 1 8:1 / / rw - ext4 /dev/sda1 rw\n${PROC}\n`,
      theirs: undefined,
      cgroupsPath: "/default/c1",
      mounts: [],
      ...known,
    });
  const mounts = [{ type: "overlay", source: "overlay", options: ["lowerdir=/l", `upperdir=${UPPER}`] }];

  it("is in a container when its cgroup is the container's, or below it", () => {
    const theirs = "0::/default/c1/init.scope\n";
    assert.ok(within({ cgroups: "0::/default/c1\n", theirs }));
    assert.ok(within({ cgroups: "0::/default/c1/exec\n", theirs }));
    assert.ok(within({ cgroups: "3:freezer:/default/c1\n0::/\n", theirs: "3:freezer:/default/c1\n0::/\n" }));
  });

  it("is in none that it sees elsewhere", () => {
    const theirs = "0::/default/c1\n";
    for (const path of ["/", "/user.slice", "/default/c11", "/default", "/default/c2"]) {
      assert.equal(within({ cgroups: `0::${path}\n`, theirs }), false, path);
    }
    assert.equal(within({ cgroups: "0::/default/c1\n", theirs: "0::/default/c1/default/c1\n" }), false);
    assert.equal(within({ mountinfo: ROOT, mounts, theirs }), false);
  });

  it("is known by the name of its cgroup where ids mean other processes", () => {
    assert.ok(within({ cgroups: "0::/kubepods/pod1/default/c1\n" }));
    assert.ok(within({ cgroups: "0::/system.slice/nerdctl-c1.scope\n", cgroupsPath: "system.slice:nerdctl:c1" }));
    assert.equal(within({ cgroups: "0::/default/c2\n" }), false);
    assert.equal(within({ cgroups: "0::/default/c2\n", theirs: "0::/of/somebody/else\n" }), false);
  });

  it("is known by its root filesystem where its cgroup is hidden", () => {
    assert.ok(within({ mountinfo: `${ROOT}\n${PROC}\n`, mounts }));
    assert.ok(within({ mountinfo: `25 1 8:1 / / rw - ext4 /dev/sda1 rw\n${ROOT}\n`, mounts, theirs: "0::/\n" }));
    assert.equal(within({ mountinfo: ROOT.replace("/7/", "/8/"), mounts }), false);
    assert.equal(within({ mountinfo: ROOT, mounts: [] }), false);
    assert.equal(within({ mounts, mountinfo: "" }), false);
    assert.equal(within({ mounts, cgroups: "" }), false);
  });
});
