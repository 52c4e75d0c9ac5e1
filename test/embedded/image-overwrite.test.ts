import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Client } from "../../src/client/client.js";
import { isUnavailable } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { Samples } from "../suites/image-samples.js";
import { type EmbeddedBed, embeddedBed } from "./beds.js";
import { listenedIn } from "./sick-transport.js";

/** An image of one layer that nobody unpacks. */
async function image(client: Client, name: string, layer: string): Promise<Descriptor> {
  await using lease = await client.leases.create();
  const samples = new Samples({ store: client.content, call: { lease } });
  const { target } = await samples.image({ os: "linux", architecture: "amd64" }, [layer]);
  await client.images.create(name, target, { lease });
  return target;
}

describe("a copy that overwrites names and fails", () => {
  let from: EmbeddedBed;
  let to: EmbeddedBed;
  let source: Client;
  let target: Client;
  beforeEach(async () => {
    from = await embeddedBed("in memory");
    to = await embeddedBed("in memory");
    source = new Client({ transport: from.transport, namespace: "default" }, false);
    target = new Client({ transport: to.transport, namespace: "default" }, false);
  });
  afterEach(async () => {
    await from[Symbol.asyncDispose]();
    await to[Symbol.asyncDispose]();
  });

  const collect = async () => target.leases.delete(await target.leases.create(), { sync: true });

  /** The name `second` cannot be made, and all that nobody holds is collected by then. */
  const failing = (): Client => {
    const sick = listenedIn(to.transport, () => {});
    const unary = sick.unary.bind(sick);
    sick.unary = async (method, ...rest) => {
      if (method.parent.typeName.endsWith(".Images") && method.name === "Create") {
        await collect();
        throw new ConnectError("the daemon is away", Code.Unavailable);
      }
      return unary(method, ...rest);
    };
    return new Client({ transport: sick, namespace: "default" }, false);
  };

  it("leaves names with the content they had, although the collector ran meanwhile", async () => {
    const old = await image(target, "first", "old");
    await image(source, "first", "new");
    await image(source, "second", "other");
    const copy = failing().images.copyFrom(source, ["first", "second"], { overwrite: true, platforms: "all" });
    await assert.rejects(copy, isUnavailable);
    assert.equal((await target.images.get("first")).target.digest, old.digest);
    await collect();
    assert.equal((await target.content.info(old.digest)).size, old.size);
  });

  for (const layer of ["old", "new"]) {
    it(`leaves names with the labels they had: ${layer} content`, async () => {
      await image(target, "first", "old");
      await target.images.update("first", { labels: { same: "old", kept: "old" } });
      await image(source, "first", layer);
      await image(source, "second", "other");
      const labels = { same: "new", added: "new" };
      const options = { overwrite: true, platforms: "all", labels } as const;
      await assert.rejects(failing().images.copyFrom(source, ["first", "second"], options), isUnavailable);
      assert.deepEqual((await target.images.get("first")).labels, { same: "old", kept: "old" });
    });
  }

  it("lets go of what a name stood for once it has succeeded", async () => {
    const old = await image(target, "first", "old");
    await image(source, "first", "new");
    await target.images.copyFrom(source, "first", { overwrite: true, platforms: "all" });
    await collect();
    await assert.rejects(target.content.info(old.digest), { code: "not_found" });
  });
});
