import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { VersionResponseSchema } from "../../src/api/services/version/v1/version_pb.js";
import { FakeDaemon } from "../rpc/fake-daemon.js";
import { modulesLoadedBy } from "./loaded-modules.js";

/** Each costs every script a good half of a millisecond: what is not for the first call is loaded with its own first use. */
const MOST_OF_OURS = 64;

const onNode = process.versions["bun"] === undefined && process.versions["deno"] === undefined;

describe("what is loaded", { skip: onNode ? false : "only Node.js tells what it loads" }, () => {
  it("by the front door is what everybody needs", async () => {
    const { own, packages, ofNode } = await modulesLoadedBy(`import "./.build/src/index.js";`);
    assert.ok(own.includes("index.js"), "nothing was loaded: the reader is broken");
    assert.ok(own.length <= MOST_OF_OURS, `${own.length} modules: ${own.join(" ")}`);
    assert.deepEqual(packages, ["@bufbuild/protobuf"]);
    const later = /^(?:tar|guardian|embedded|cli|content\/(?:archive|layout)|client\/recovery)\//;
    assert.deepEqual(
      own.filter((path) => later.test(path)),
      [],
    );
    assert.deepEqual(ofNode.filter(isHeavy), []);
  });

  it("by the first call is nothing more", async () => {
    const directory = await mkdtemp(join(tmpdir(), "startup-"));
    const path = join(directory, "c.sock");
    await using _daemon = await FakeDaemon.listen({ path }, (call) => {
      call.send(VersionResponseSchema, { version: "1.2.3" });
      call.end();
    });
    try {
      const before = await modulesLoadedBy(`import "./.build/src/index.js";`);
      const after = await modulesLoadedBy(`
        import { connect } from "./.build/src/index.js";
        const client = await connect({ address: ${JSON.stringify(path)} });
        await client.version();
        await client.close();`);
      assert.deepEqual(after.own, before.own);
      assert.deepEqual(after.packages, before.packages);
      assert.deepEqual(after.ofNode.filter(isHeavy), []);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("by a use of its own is what that use needs", async () => {
    const { own } = await modulesLoadedBy(`
      import { Client, unixTransport } from "./.build/src/index.js";
      const client = new Client({ transport: unixTransport("/nowhere.sock"), namespace: "default" });
      await client.restore("copy", "counter:frozen").catch(() => {});
      await client.close();`);
    assert.ok(own.includes("client/restoring.js"));
    assert.ok(!own.includes("client/checkpointing.js"));
  });

  it("by the documents of the OCI specs is no package", async () => {
    const { own, packages } = await modulesLoadedBy(`import "./.build/src/oci/index.js";`);
    assert.deepEqual(packages, []);
    assert.deepEqual(
      own.filter((path) => !/^(?:oci\/|errors\.js$)/.test(path)),
      [],
    );
  });

  it("by the leases is nothing", async () => {
    const { own, packages } = await modulesLoadedBy(`import "./.build/src/leases/index.js";`);
    assert.deepEqual({ own, packages }, { own: ["leases/index.js"], packages: [] });
  });

  it("by the wire is the wire", async () => {
    const { own, packages } = await modulesLoadedBy(`import "./.build/src/api/index.js";`);
    assert.deepEqual(packages, ["@bufbuild/protobuf"]);
    assert.deepEqual(
      own.filter((path) => !path.startsWith("api/")),
      [],
    );
  });

  it("by the help of the command is the command", async () => {
    const { own, packages } = await modulesLoadedBy(
      `process.argv.push("containerd-client", "--help"); await import("./.build/src/cli/main.js");`,
    );
    assert.deepEqual(packages, []);
    assert.deepEqual(own, ["cli/command.js", "cli/main.js", "errors.js"]);
  });
});

/** Node's fetch, which comes with the first use of `Headers`, and its threads. */
function isHeavy(name: string): boolean {
  return /^internal\/deps\/undici\/|^(?:worker_threads|zlib)$/.test(name);
}
