import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCommand } from "../../lab/command.js";
import { type ImageTools, prepareImageTools } from "../../lab/image-tools.js";
import { whyNoLab } from "../../lab/preflight.js";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { copy } from "../../src/content/copy.js";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import { MemoryStore } from "../../src/content/memory.js";
import { walk } from "../../src/content/walk.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { parseImageConfig } from "../../src/oci/image-config.js";
import { encodeManifest, parseManifest } from "../../src/oci/manifest.js";
import { MEDIA_TYPE_IMAGE_CONFIG, MEDIA_TYPE_LAYER, MEDIA_TYPE_MANIFEST } from "../../src/oci/media-types.js";
import { all } from "../suites/content-bed.js";

const FULL_NAME = "docker.io/library/app:v1";
const CREATED = "2026-01-02T03:04:05Z";
const why = await whyNoLab();

describe("image layouts and other tools", { skip: why ?? false }, () => {
  let tools: ImageTools;
  let base = "";
  let layout: LayoutStore;
  let image: Descriptor;

  before(async () => {
    tools = await prepareImageTools();
    base = await mkdtemp(join(tmpdir(), "layout-tools-"));
    layout = await LayoutStore.open(join(base, "ours"), { create: true });
    image = await makeImage(layout);
    await layout.index.tag(FULL_NAME, image);
    await layout.index.tag("plain", image);
  });
  after(() => rm(base, { recursive: true, force: true }));

  const skopeo = async (...args: readonly string[]) =>
    (await runCommand(tools.skopeo, ["--insecure-policy", ...args])).stdout;
  const umoci = async (...args: readonly string[]) => (await runCommand(tools.umoci, args)).stdout;
  const names = async (store: LayoutStore) => (await all(store.index.list())).map(({ name = "" }) => name).sort();
  const digests = async (store: LayoutStore, root: Descriptor) =>
    (await all(walk(store, root))).map(({ descriptor }) => descriptor.digest);

  it("skopeo reads what we write", async () => {
    const { layers } = parseManifest(await readBlob(layout, image));
    for (const name of ["v1", "plain"]) {
      const seen = JSON.parse(await skopeo("inspect", `oci:${layout.path}:${name}`)) as Record<string, unknown>;
      assert.deepEqual(
        [seen["Digest"], seen["Layers"], seen["Architecture"], seen["Created"], seen["Labels"]],
        [image.digest, layers.map(({ digest }) => digest), "amd64", CREATED, { of: "ours" }],
      );
    }
    const raw = await skopeo("inspect", "--raw", `oci:${layout.path}:plain`);
    assert.equal(raw, Buffer.from(await readBlob(layout, image)).toString());
  });

  it("umoci reads what we write, tags it, and its collector leaves our things alone", async () => {
    assert.deepEqual((await umoci("ls", "--layout", layout.path)).split("\n").filter(Boolean).sort(), ["plain", "v1"]);
    const bundle = join(base, "bundle");
    await umoci("unpack", "--image", `${layout.path}:plain`, bundle);
    assert.equal(await readFile(join(bundle, "rootfs", "hello"), "utf8"), "hello from a layer\n");
    await layout.update(image.digest, { kept: "yes" });
    await using unfinished = await layout.writer("unfinished");
    await unfinished.write(Buffer.from("half"));
    await writeBlob(layout, randomBytes(10), { mediaType: "x" });
    await umoci("tag", "--image", `${layout.path}:plain`, "by-umoci");
    await umoci("gc", "--layout", layout.path);
    assert.deepEqual(await names(layout), ["by-umoci", FULL_NAME, "plain"].sort());
    assert.equal((await layout.index.resolve("by-umoci")).digest, image.digest);
    assert.deepEqual((await layout.info(image.digest)).labels, { kept: "yes" });
    assert.equal((await layout.status("unfinished")).offset, 4);
    assert.equal((await all(layout.list())).length, 3, "what nothing refers to is gone");
    await layout.index.untag("by-umoci");
    assert.deepEqual((await umoci("ls", "--layout", layout.path)).split("\n").filter(Boolean).sort(), ["plain", "v1"]);
  });

  it("we read what skopeo writes, into its own layouts and into ours", async () => {
    await skopeo("copy", "--preserve-digests", `oci:${layout.path}:v1`, `oci:${join(base, "theirs")}:new`);
    const theirs = await LayoutStore.open(join(base, "theirs"));
    const target = await theirs.index.resolve("new");
    assert.equal(target.digest, image.digest);
    assert.equal((await theirs.index.resolve()).digest, image.digest);
    assert.deepEqual(await digests(theirs, target), await digests(layout, image));
    await copy(theirs, new MemoryStore(), target);

    // Packed anew, it is another image of the same files.
    await skopeo("copy", `oci:${layout.path}:v1`, `oci:${join(base, "packed")}:gz`);
    await skopeo("copy", `oci:${join(base, "packed")}:gz`, `oci:${layout.path}:gz`);
    const packed = await layout.index.resolve("gz");
    const [before, after] = await Promise.all([image, packed].map((one) => configOf(layout, one)));
    assert.notEqual(packed.digest, image.digest);
    assert.deepEqual(after?.rootfs, before?.rootfs);
    assert.deepEqual(await names(layout), [FULL_NAME, "gz", "plain"].sort());
    await layout.index.untag("gz");
  });

  it("we read what umoci writes, and it what we add to that", async () => {
    const path = join(base, "umoci");
    await umoci("init", "--layout", path);
    await umoci("new", "--image", `${path}:empty`);
    const theirs = await LayoutStore.open(path);
    const empty = await theirs.index.resolve("empty");
    assert.deepEqual((await configOf(theirs, empty)).rootfs.diff_ids, []);
    await copy(layout, theirs, image);
    await theirs.index.tag("ours", image);
    const bundle = join(base, "second");
    await umoci("unpack", "--image", `${path}:ours`, bundle);
    assert.equal(await readFile(join(bundle, "rootfs", "hello"), "utf8"), "hello from a layer\n");
    await umoci("config", "--image", `${path}:ours`, "--tag", "edited", "--config.user", "nobody");
    const edited = await theirs.index.resolve("edited");
    assert.equal((await configOf(theirs, edited)).config?.User, "nobody");
    await copy(theirs, new MemoryStore(), edited);
  });

  async function configOf(store: LayoutStore, target: Descriptor) {
    const { config } = parseManifest(await readBlob(store, target));
    return parseImageConfig(await readBlob(store, config));
  }

  async function makeImage(store: LayoutStore): Promise<Descriptor> {
    const layer = join(base, "layer.tar");
    const script = 'cd "$1" && mkdir root && echo "hello from a layer" > root/hello && tar -C root -cf layer.tar hello';
    await runCommand("sh", ["-ec", script, "sh", base]);
    const blob = (bytes: Uint8Array, mediaType: string) => writeBlob(store, bytes, { mediaType });
    const first = await blob(await readFile(layer), MEDIA_TYPE_LAYER);
    const config = await blob(
      Buffer.from(
        JSON.stringify({
          created: CREATED,
          architecture: "amd64",
          os: "linux",
          config: { Cmd: ["/hello"], Labels: { of: "ours" } },
          rootfs: { type: "layers", diff_ids: [first.digest] },
          history: [{ created: CREATED, created_by: "test" }],
        }),
      ),
      MEDIA_TYPE_IMAGE_CONFIG,
    );
    const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE_MANIFEST, config, layers: [first] } as const;
    return blob(encodeManifest(manifest), MEDIA_TYPE_MANIFEST);
  }
});
