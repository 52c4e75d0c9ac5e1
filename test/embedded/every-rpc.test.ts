import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runCommand } from "../../lab/command.js";
import { ociRuntime } from "../../src/embedded/runtime/oci/oci-runtime.js";
import { everyRpcSuite } from "../suites/every-rpc-suite.js";
import { type EmbeddedBed, embeddedBed } from "./beds.js";
import { ociPrograms, whyNoOciRuntime } from "./oci-programs.js";

const skip = whyNoOciRuntime();

if (skip !== false) it("every RPC of an embedded containerd", { skip });
else {
  describe("an embedded containerd with runc", () => {
    const namespace = `embedded-every-${process.pid}`;
    let programs: string | undefined;
    let bed: EmbeddedBed | undefined;
    after(async () => {
      await bed?.[Symbol.asyncDispose]();
      if (programs !== undefined) await rm(programs, { recursive: true });
      // What a runtime leaves of the path of a cgroup.
      await runCommand("find", ["/sys/fs/cgroup", "-maxdepth", "2", "-type", "d", "-name", namespace, "-delete"]);
    });
    everyRpcSuite("every RPC", namespace, async () => {
      programs = await mkdtemp(join(tmpdir(), "programs-"));
      bed = await embeddedBed("on a directory", { runtime: await ociRuntime(await ociPrograms(programs)) });
      return bed.transport;
    });
  });
}
