import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { whyNoLab } from "../../lab/preflight.js";
import { prepareRuntimes, type Runtimes } from "../../lab/runtimes.js";
import { runtimeSupportsCheckpointRestore, runtimeSupportsPodCheckpointRestore } from "../../src/crutils/index.js";

const whyNot = await whyNoLab();

describe("what a runtime can", { skip: whyNot ?? false }, () => {
  let runtimes: Runtimes;
  before(async () => {
    runtimes = await prepareRuntimes();
  });
  const both = async (runtime: string, criu = runtimes.criu) => [
    await runtimeSupportsCheckpointRestore(runtime, { criu }),
    await runtimeSupportsPodCheckpointRestore(runtime, { criu }),
  ];

  it("is known of runc and crun, with criu's word", async () => {
    for (const name of ["runc", "crun"] as const) {
      for (const support of await both(runtimes[name])) {
        assert.match(support.runtime ?? "", new RegExp(`^${name} \\d`));
        assert.match(support.criuVersion ?? "", /^4\./);
        // Whether it can is the kernel's to say; what is said about it is criu's own.
        assert.match(
          support.reason,
          support.supported ? /can work on this kernel$/ : /cannot work on this kernel: .*Error/,
        );
        assert.equal(support.format, "criu");
      }
    }
  });

  it("is nothing where crun cannot load libcriu, which it says nowhere itself", async () => {
    for (const { supported, reason, runtime } of await both(runtimes.crunWithoutLibrary)) {
      assert.deepEqual([supported, reason], [false, "it cannot load libcriu.so.2"]);
      assert.match(runtime ?? "", /^crun \d/);
    }
  });

  it("is gVisor's own, and not for pods", async () => {
    const [alone, inPod] = await both(runtimes.runsc);
    assert.deepEqual([alone?.supported, alone?.format], [true, "gvisor"]);
    assert.deepEqual([inPod?.supported, inPod?.reason], [false, "gVisor cannot restore into an existing pod"]);
  });

  it("is nothing without criu, or of what is no runtime", async () => {
    for (const { supported, reason } of await both(runtimes.runc, "/nonexistent/criu")) {
      assert.equal(supported, false);
      assert.match(reason, /^criu cannot be run: .*ENOENT/);
    }
    const others = {
      "/nonexistent/runc": /cannot be run: .*ENOENT/,
      "/bin/false": /^it cannot be run/,
      "/bin/true": /no command checkpoint/,
    };
    for (const [path, words] of Object.entries(others)) {
      for (const { supported, reason } of await both(path)) {
        assert.equal(supported, false);
        assert.match(reason, words);
      }
    }
  });

  it("is not asked for when nobody wants to know any more", async () => {
    const gone = runtimeSupportsCheckpointRestore(runtimes.runc, { signal: AbortSignal.abort() });
    await assert.rejects(gone, { name: "AbortError" });
  });
});
