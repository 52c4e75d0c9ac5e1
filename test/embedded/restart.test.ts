import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Client } from "../../src/client/client.js";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { createEmbedded } from "../../src/embedded/embedded.js";
import { isDataLoss, isFailedPrecondition, isNotFound, isUnavailable } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { RuntimeSpecType } from "../../src/typeurl.js";
import { all } from "../suites/content-bed.js";

const KILLED = fileURLToPath(new URL("killed-writer.js", import.meta.url));

describe("an embedded containerd on a directory", () => {
  let root: string;
  beforeEach(async () => {
    root = join(await mkdtemp(join(tmpdir(), "restart-")), "root");
  });
  afterEach(() => rm(join(root, ".."), { recursive: true, force: true }));

  const open = async (namespace = "test") => {
    const containerd = await createEmbedded({ root });
    const client = new Client({ transport: containerd.transport, namespace });
    return { containerd, client, [Symbol.asyncDispose]: () => containerd.close() };
  };

  it("is refused where there can be no directory, with a class of its own", async () => {
    await writeFile(join(root, "..", "file"), "");
    const nowhere = join(root, "..", "file", "root");
    await assert.rejects(createEmbedded({ root: nowhere }), (reason) => {
      assert.ok(isFailedPrecondition(reason), String(reason));
      assert.match(reason.message, /Cannot start a containerd on .*file/);
      return true;
    });
  });

  it("has everything after a restart that it had before", async () => {
    const spec = create(AnySchema, { typeUrl: RuntimeSpecType.spec, value: Buffer.from("\0{}") });
    const bytes = Buffer.alloc(2 * 1024 * 1024 + 1, "x");
    const gather = async ({ client }: { readonly client: Client }) => {
      const containers = await all(client.containers.records());
      return {
        uuid: (await client.introspection.server()).uuid,
        namespaces: await all(client.namespaces.list()),
        content: await all(client.content.list()),
        ingests: await all(client.content.statuses()),
        images: (await all(client.images.list())).map(({ name, labels, target, createdAt }) => ({
          name,
          labels,
          target,
          createdAt,
        })),
        leases: (await all(client.leases.list())).map(({ id, labels, createdAt }) => ({ id, labels, createdAt })),
        held: await all(client.leases.resources({ id: "l1" })),
        containers,
        snapshots: await all(client.snapshots().list()),
        mine: await readBlob(client.content, { mediaType: "x", digest: digestOf(bytes), size: bytes.length }),
      };
    };
    let before: Awaited<ReturnType<typeof gather>>;
    {
      await using first = await open();
      const { client } = first;
      const lease = await client.leases.create({ id: "l1", labels: { "\0odd": "\0value", constructor: "c" } });
      const target = await writeBlob(client.content, bytes, { mediaType: "x/y", labels: { a: "b" } }, { lease });
      await client.images.create("an image", target, { labels: { __proto__x: "1" } });
      await client.containers.register({ id: "c1", image: "an image", spec, runtime: { name: "r", options: spec } });
      await client.snapshots().prepare("s1", "", { labels: { s: "1" }, lease });
      await client.namespaces.create("empty", { labels: { l: "1" } });
      await using writer = await client.content.writer("r1", { lease, size: 100 });
      await writer.write(Buffer.from("half"));
      await writer[Symbol.asyncDispose]();
      before = await gather(first);
    }
    await using second = await open();
    const after = await gather(second);
    assert.deepEqual(after, before);
    assert.equal(after.held.length, 3);
    await using writer = await second.client.content.writer("r1");
    assert.equal(writer.offset, 4);
    await writer.write(Buffer.from("-done"));
    assert.equal((await writer.commit()).digest, digestOf(Buffer.from("half-done")));
  });

  it("opens after kill -9 at any moment, with all that was told as done, and whole", async () => {
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, [KILLED, root], { stdio: ["ignore", "pipe", "inherit"] });
      let told = "";
      child.stdout.on("data", (chunk: Buffer) => {
        told += chunk.toString();
        // Somewhere in the middle of what follows; the output is the one clock there is.
        if (told.length > 1_000 + round * 777) child.kill("SIGKILL");
      });
      await once(child, "close");
      assert.equal(child.signalCode, "SIGKILL");
      await using opened = await open("killed");
      const { client, containerd } = opened;
      const lines = told.split("\n").slice(0, -1);
      for (const line of lines) {
        const [kind = "", name = ""] = line.split(" ");
        if (kind === "blob") assert.ok((await client.content.info(name as `${string}:${string}`)).size > 0);
        if (kind === "gone") await assert.rejects(client.images.get(name), isNotFound);
        if (kind === "image" && !lines.includes(`gone ${name}`)) {
          // Its deletion may have been done without there having been time to say so.
          await client.images
            .get(name)
            .catch((reason: unknown) => assert.ok(isNotFound(reason) && name !== lastOf(lines)));
        }
        if (kind === "ingest") assert.ok((await client.content.status(name)).offset > 0);
      }
      for await (const { digest, size } of client.content.list()) {
        await readBlob(client.content, { mediaType: "x", digest, size });
      }
      for await (const { ref } of client.content.statuses()) await client.content.abort(ref);
      for await (const image of client.images.list()) await image.delete();
      for await (const { digest } of client.content.list()) await client.content.delete(digest);
      // What was half done is found by the collector, and nothing but it is there.
      await client.leases.delete(await client.leases.create(), { sync: true });
      const content = join(root, "io.containerd.content.v1.content");
      assert.deepEqual(await readdir(join(content, "blobs", "sha256")), []);
      assert.deepEqual(await readdir(join(content, "ingest")), []);
      await containerd.close();
    }
  });

  it("is for one process, and one of it, at a time", async () => {
    await using first = await open();
    await assert.rejects(createEmbedded({ root }), isFailedPrecondition);
    await assert.rejects(createEmbedded({ root: join(root, ".", "x", "..") }), isFailedPrecondition);
    await first.containerd.close();
    await first.containerd.close();
    await using second = await open();
    await second.client.version();
  });

  it("answers nobody when it is closed", async () => {
    const { containerd, client } = await open();
    const cut = assert.rejects(client.events(["/images/create"])[Symbol.asyncIterator]().next(), isUnavailable);
    await client.version();
    await containerd.close();
    await assert.rejects(client.version(), isUnavailable);
    await assert.rejects(
      client.images.create("late", { mediaType: "x", digest: digestOf(Buffer.from("")), size: 1 }),
      isUnavailable,
    );
    await assert.rejects(containerd.listen(join(root, "late.sock")), isUnavailable);
    await cut;
  });

  it("says which record is damaged, and loses no other", async () => {
    {
      await using first = await open();
      await first.client.namespaces.create("one");
      await first.client.namespaces.create("two");
      const writer = await first.client.content.writer("unfinished");
      await writer.write(Buffer.from("x"));
      await writer[Symbol.asyncDispose]();
    }
    // Ingests are not worth waiting for the disk: a loss of power may leave this of one.
    const ingests = join(root, "io.containerd.metadata.v1.records", "ingests");
    for (const name of await readdir(ingests)) await writeFile(join(ingests, name), "");
    const records = join(root, "io.containerd.metadata.v1.records", "namespaces");
    const [name = ""] = await readdir(records);
    await writeFile(join(records, name), "{");
    await assert.rejects(createEmbedded({ root }), (reason) => isDataLoss(reason) && reason.message.includes(name));
    await rm(join(records, name));
    await using second = await open();
    assert.equal((await all(second.client.namespaces.list())).length, 2);
    assert.deepEqual(await all(second.client.content.statuses()), []);
  });

  it("keeps its files to its user", async () => {
    await using opened = await open();
    await writeBlob(opened.client.content, Buffer.from("secret"), { mediaType: "x" });
    const looked: string[] = [];
    for (const name of await readdir(root, { recursive: true })) {
      const { mode } = await stat(join(root, name));
      assert.equal(mode & 0o077, 0, `${name} has mode ${(mode & 0o777).toString(8)}`);
      looked.push(name);
    }
    assert.ok(looked.length > 8);
  });
});

function lastOf(lines: readonly string[]): string | undefined {
  return lines
    .filter((line) => line.startsWith("image "))
    .at(-1)
    ?.slice("image ".length);
}
