import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { CallFailure } from "../../src/guardian/daemon-calls.js";
import { locateFreezer } from "../../src/guardian/freezer.js";
import { type FrozenTask, thaw } from "../../src/guardian/thaw.js";

const V2 = "30 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
const V1 = "36 31 0:33 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n";

describe("a container's freezer", () => {
  const pathOf = (cgroup: string, cgroupsPath: string) => locateFreezer(`0::${cgroup}\n`, V2, cgroupsPath)?.path;

  it("is that of its own cgroup, wherever in it the process is", () => {
    for (const below of ["", "/init.scope", "/system.slice/a.service", "/c1"]) {
      assert.equal(pathOf(`/default/c1${below}`, "/default/c1"), "/sys/fs/cgroup/default/c1/cgroup.freeze");
    }
    assert.equal(pathOf("/outer/x/default/c1", "/default/c1"), "/sys/fs/cgroup/outer/x/default/c1/cgroup.freeze");
    assert.deepEqual(locateFreezer("4:freezer:/ns/c1/below\n0::/ns/c1\n", V1, "/ns/c1"), {
      path: "/sys/fs/cgroup/freezer/ns/c1/freezer.state",
      version: 1,
    });
  });

  it("is that of systemd's scope or slice", () => {
    const scope = "/system.slice/nerdctl-c1.scope";
    assert.equal(pathOf(scope, "system.slice:nerdctl:c1"), `/sys/fs/cgroup${scope}/cgroup.freeze`);
    assert.equal(pathOf(`${scope}/init.scope`, "system.slice:nerdctl:c1"), `/sys/fs/cgroup${scope}/cgroup.freeze`);
    assert.equal(pathOf("/user.slice/c1.scope", "user.slice::c1"), "/sys/fs/cgroup/user.slice/c1.scope/cgroup.freeze");
    assert.equal(pathOf("/a.slice/b.slice", "a.slice:x:b.slice"), "/sys/fs/cgroup/a.slice/b.slice/cgroup.freeze");
  });

  it("is none of a cgroup whose name only has the same letters in it", () => {
    const session = "/user.slice/user-1000.slice/session-3.scope";
    for (const id of ["user", "1000", "user.slice", "session-3.scope", "slice"]) {
      assert.equal(pathOf(session, `/default/${id}`), undefined, id);
    }
    assert.equal(pathOf(session, "user.slice:session:1000"), undefined);
    assert.equal(pathOf("/system.slice/nerdctl-c11.scope", "system.slice:nerdctl:c1"), undefined);
    assert.equal(pathOf("/default/c1", "/"), undefined);
    assert.equal(pathOf("/default/c1", ""), undefined);
    assert.equal(pathOf("/../default/c1", "/default/c1"), undefined);
  });
});

describe("a task whose daemon will not resume it after its cgroup was frozen", () => {
  let path: string;
  beforeEach(async () => {
    path = join(await mkdtemp(join(tmpdir(), "freezer-")), "cgroup.freeze");
    await writeFile(path, "0\n");
  });
  afterEach(() => rm(join(path, ".."), { recursive: true }));

  const task = (resume: () => Promise<boolean>): FrozenTask => ({
    pid: process.pid,
    freezer: async () => ({ path, version: 2 }),
    look: async () => ({ pid: process.pid, paused: true }),
    resume,
  });

  it("runs on", async () => {
    const seen: string[] = [];
    const refuse = async () => {
      seen.push((await readFile(path, "utf8")).trim());
      return false;
    };
    assert.equal(await thaw(task(refuse)), "split");
    assert.deepEqual(seen, ["0", "1"]);
    assert.equal(await readFile(path, "utf8"), "0");
  });

  it("runs on without an answer, too", async () => {
    let tries = 0;
    const refuse = async () => {
      if (++tries > 1) throw new CallFailure("nobody there");
      return false;
    };
    await assert.rejects(thaw(task(refuse)), CallFailure);
    assert.equal(await readFile(path, "utf8"), "0");
  });

  it("is left as it is when the pause is another's by then", async () => {
    let asked = 0;
    const isToEnd = async () => ++asked < 2;
    assert.equal(await thaw({ ...task(async () => false), isToEnd }), "gone");
    assert.equal(await readFile(path, "utf8"), "0\n");
  });
});
