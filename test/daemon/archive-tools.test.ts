import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCommand } from "../../lab/command.js";
import { type ImageTools, prepareImageTools } from "../../lab/image-tools.js";
import { whyNoLab } from "../../lab/preflight.js";
import {
  exportArchive,
  importArchive,
  LayoutStore,
  MemoryStore,
  nameImages,
  readRootFS,
  walk,
} from "../../src/content/index.js";
import type { Client } from "../../src/index.js";
import type { Descriptor } from "../../src/oci/index.js";
import { readTar } from "../../src/tar/tar.js";
import { Graphs } from "../content/graphs.js";
import { assertSame, inChunks } from "../suites/archive-suite.js";
import { all, bytesOf, code } from "../suites/content-bed.js";
import { assertNothingLeft, exportByCtr, listed } from "./audit.js";
import { clientFor } from "./client.js";
import { countsBeyond, discard, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("archives and ctr", (daemon) => {
  let client: Client;
  let directory = "";
  before(async () => {
    client = await clientFor(daemon(), "ctr-archives");
    directory = await mkdtemp(join(tmpdir(), "ctr-archives-"));
    await using lease = await client.leases.create();
    const multi = await new Graphs(client.content, { lease }).multi("multi");
    await client.images.create("example.org/multi:1", multi, { lease });
    await client.images.create("example.org/other:latest", multi, { lease });
  });
  after(async () => {
    await client.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** The names and digests that `ctr` sees in a namespace. */
  const seen = async (there: Client) =>
    (await listed(daemon(), there, "images", "ls")).slice(1).map((line) => line.split(/\s+/).slice(0, 3));
  const mine = async (...names: string[]) =>
    Promise.all(
      names.map(async (name) => {
        const { target } = await client.images.get(name);
        return [name, target.mediaType, target.digest];
      }),
    );

  it("ctr imports what we export, and sees the same images", async () => {
    const there = client.inNamespace("ctr-imported");
    const file = join(directory, "ours.tar");
    await client.images.exportFile(file, [IMAGE, "example.org/multi:1", "example.org/other:latest"], {
      platforms: "all",
    });
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await daemon().ctr(["-n", there.namespace, "images", "import", "--all-platforms", "--no-unpack", file]);
    assert.deepEqual(await seen(there), await mine(IMAGE, "example.org/multi:1", "example.org/other:latest"));
    for (const name of [IMAGE, "example.org/multi:1"]) {
      for await (const { descriptor } of walk(client.content, (await client.images.get(name)).target)) {
        assert.equal((await there.content.info(descriptor.digest)).size, descriptor.size);
      }
    }
    // What ctr made is what we would have made: nothing is to be done.
    await there.images.importFile(file);
    assert.deepEqual(await seen(there), await mine(IMAGE, "example.org/multi:1", "example.org/other:latest"));
  });

  it("we import what ctr exports, manifest.json and all, and what is run from it runs", async () => {
    const there = client.inNamespace("ours-imported");
    const file = join(directory, "theirs.tar");
    await exportByCtr(daemon(), client, file, IMAGE);
    const [image] = await there.images.importFile(file);
    const { target } = await client.images.get(IMAGE);
    assert.equal(image?.name, IMAGE);
    assert.equal(image.target.digest, target.digest);
    await assertSame(client.content, there.content, target);
    const { container } = await start(there, "counter");
    await countsBeyond(there, container, 2);
    await discard(container);
    await assertNothingLeft(daemon(), there);
  });

  it("we import several images of ctr's, of all platforms and of one", async () => {
    const file = join(directory, "several.tar");
    const names = ["example.org/multi:1", "example.org/other:latest"];
    await exportByCtr(daemon(), client, "--all-platforms", file, ...names);
    const there = client.inNamespace("all-platforms");
    await there.images.importFile(file, { platforms: "all" });
    assert.deepEqual(await seen(there), await mine(...names));
    assert.equal((await all(there.content.list())).length, 9);
    const one = client.inNamespace("one-platform");
    await one.images.importFile(file);
    await one.leases.delete(await one.leases.create(), { sync: true });
    assert.equal((await all(one.content.list())).length, 5);
  });

  it("a checkpoint of ctr's goes with its base image, as ctr's own export of it does not", async () => {
    const { container } = await start(client, "by-ctr");
    await countsBeyond(client, container, 2);
    const args = ["--image", "--rw", "--task"];
    await daemon().ctr(["-n", client.namespace, "containers", "checkpoint", ...args, "by-ctr", "ctr:frozen"]);
    await discard(container);
    const { target } = await client.images.get("ctr:frozen");
    const there = client.inNamespace("checkpoint-of-ctr");
    await there.images.import(client.images.export("ctr:frozen"));
    await assertSame(client.content, there.content, target);
    const copy = await there.restore("by-ctr", "ctr:frozen");
    await (await copy.newTask({ checkpoint: "ctr:frozen" })).start();
    await countsBeyond(there, copy, 2);
    await discard(copy);
    await assertNothingLeft(daemon(), there);
  });

  it("an import whose daemon is killed leaves nothing, and can be made again", async () => {
    const archive = await bytesOf(client.images.export("example.org/multi:1", { platforms: "all" }));
    const there = client.inNamespace("killed");
    async function* killing(): AsyncGenerator<Uint8Array, void, undefined> {
      yield archive.subarray(0, 100_000);
      await daemon().kill();
      const restarted = daemon().start();
      yield archive.subarray(100_000);
      await restarted;
    }
    await assert.rejects(there.images.import(killing(), { platforms: "all" }), code("unavailable"));
    await assertNothingLeft(daemon(), there);
    assert.deepEqual(await listed(daemon(), there, "content", "ls", "-q"), []);
    await there.images.import(inChunks(archive), { platforms: "all" });
    assert.equal((await all(there.content.list())).length, 9);
  });

  it("a file appears whole or not at all", async () => {
    const folder = join(directory, "files");
    await mkdir(folder);
    const file = join(folder, "image.tar");
    await client.images.exportFile(file, IMAGE);
    const whole = await readFile(file);
    assert.deepEqual(await bytesOf(client.images.export(IMAGE)), whole);
    await assert.rejects(client.images.exportFile(file, "nothing:1"), code("not_found"));
    const stop = new AbortController();
    const options = { signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) };
    await assert.rejects(client.images.exportFile(file, IMAGE, options), new Error("enough"));
    assert.deepEqual(await readdir(folder), ["image.tar"]);
    assert.deepEqual(await readFile(file), whole);
    await assert.rejects(client.images.exportFile(join(folder, "no", "image.tar"), IMAGE), code("not_found"));
    await assert.rejects(client.images.importFile(join(folder, "none.tar")), code("not_found"));
    await assert.rejects(client.images.importFile(folder), code("failed_precondition"));
    await assertNothingLeft(daemon(), client);
  });
});

describe("archives and other tools", { skip: (await whyNoLab()) ?? false }, () => {
  let tools: ImageTools;
  let directory = "";
  const store = new MemoryStore();
  let target: Descriptor;
  before(async () => {
    tools = await prepareImageTools();
    directory = await mkdtemp(join(tmpdir(), "archive-tools-"));
    target = await new Graphs(store).image("tools");

    await writeFile(join(directory, "ours.tar"), exportArchive(store, [{ name: "example.org/tools:v1", target }]));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const skopeo = async (...args: readonly string[]) =>
    (await runCommand(tools.skopeo, ["--insecure-policy", ...args])).stdout;
  const read = (into: MemoryStore, file: string) => importArchive(into, createReadStream(join(directory, file)));

  it("skopeo reads what we write, as either kind of archive", async () => {
    const file = join(directory, "ours.tar");
    const seen = JSON.parse(await skopeo("inspect", `oci-archive:${file}:v1`)) as Record<string, unknown>;
    assert.equal(seen["Digest"], target.digest);
    const docker = JSON.parse(await skopeo("inspect", "--config", `docker-archive:${file}`)) as {
      readonly rootfs: { readonly diff_ids: readonly string[] };
    };
    assert.deepEqual(docker.rootfs.diff_ids, (await readRootFS(store, target)).diffIds);
  });

  it("we read skopeo's OCI archive, and it is the same image", async () => {
    await skopeo(
      "copy",
      "--preserve-digests",
      `oci-archive:${directory}/ours.tar:v1`,
      `oci-archive:${directory}/oci.tar:v2`,
    );
    const into = new MemoryStore();
    const [image] = await read(into, "oci.tar");
    assert.deepEqual([image?.target.digest, image?.refName], [target.digest, "v2"]);
    assert.deepEqual(nameImages([{ target, refName: "v2" }], { prefix: "example.org/x" }), [
      { name: "example.org/x:v2", target },
    ]);
    await assertSame(store, into, target);
  });

  it("we read skopeo's docker archive, links and all, and it has the same layers", async () => {
    await skopeo("copy", `oci-archive:${directory}/ours.tar:v1`, `docker-archive:${directory}/docker.tar:tools:v3`);
    const members = await all(readTar(createReadStream(join(directory, "docker.tar"))));
    assert.ok(
      members.some(({ type }) => type === "symlink"),
      "there is no link",
    );
    const into = new MemoryStore();
    const [image] = await read(into, "docker.tar");
    assert.equal(image?.name, "docker.io/library/tools:v3");
    assert.deepEqual(await readRootFS(into, image.target), await readRootFS(store, target));
    const [again] = await read(new MemoryStore(), "docker.tar");
    assert.deepEqual(again, image);
  });

  it("unpacked it is an image layout, and a layout that is packed is an archive", async () => {
    const unpacked = join(directory, "unpacked");
    await mkdir(unpacked);
    const { stderr } = await runCommand("tar", ["-xf", join(directory, "ours.tar"), "-C", unpacked]);
    assert.equal(stderr, "");
    const layout = await LayoutStore.open(unpacked);
    assert.equal((await layout.index.resolve("example.org/tools:v1")).digest, target.digest);
    await assert.doesNotReject(all(walk(layout, target)));
    for (const packing of ["-cf", "-czf"]) {
      await runCommand("tar", [packing, join(directory, "packed.tar"), "--exclude=./.*", "-C", unpacked, "."]);
      const into = new MemoryStore();
      const [image] = await read(into, "packed.tar");
      assert.equal(image?.name, "example.org/tools:v1");
      await assertSame(store, into, target);
    }
  });
});
