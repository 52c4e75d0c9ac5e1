import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { exportArchive } from "../../src/content/archive/export.js";
import { type ImportArchiveOptions, importArchive } from "../../src/content/archive/import.js";
import { readBlob } from "../../src/content/blob.js";
import { MemoryStore } from "../../src/content/memory.js";
import { type ErrorCode, isContainerdError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { parseIndex } from "../../src/oci/image-index.js";
import { parseManifest } from "../../src/oci/manifest.js";
import { readTar, type TarFile, type TarStreamFile, writeTar } from "../../src/tar/tar.js";
import { storedAsZstd } from "../fixtures/zstd-frame.js";
import { inChunks } from "../suites/archive-suite.js";
import { all, bytesOf } from "../suites/content-bed.js";
import { amd64, Graphs } from "./graphs.js";

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const layout: TarFile = { name: "oci-layout", body: json({ imageLayoutVersion: "1.0.0" }) };
const hex = "a".repeat(64);

/** An archive's members, so that one can be changed. */
async function membersOf(archive: Uint8Array): Promise<TarFile[]> {
  const members: TarFile[] = [];
  for await (const { name, body, type } of readTar(inChunks(archive))) {
    // Without the attribute: who forges an archive does not give it.
    members.push({ name, type, body: await bytesOf(body) });
  }
  return members;
}

async function sound(): Promise<{ archive: Uint8Array; members: TarFile[] }> {
  const origin = new MemoryStore();
  const graphs = new Graphs(origin);
  const target = await graphs.image("sound");
  const archive = await bytesOf(exportArchive(origin, [{ name: "example.org/sound:1", target }]));
  return { archive, members: await membersOf(archive) };
}

/** The import fails with an error of that class, and nothing is left. */
async function refused(
  archive: AsyncIterable<Uint8Array>,
  code: ErrorCode | undefined,
  message: RegExp,
  options: ImportArchiveOptions = {},
): Promise<void> {
  const store = new MemoryStore();
  await assert.rejects(importArchive(store, archive, options), (error) => {
    assert.ok(isContainerdError(error), String(error));
    if (code !== undefined) assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
  assert.deepEqual(await all(store.list()), []);
  assert.deepEqual(await all(store.statuses()), []);
}

const written = (members: readonly (TarFile | TarStreamFile)[]) => writeTar(members);

describe("archives nobody vouches for", () => {
  it("may hold only names that an image archive has", async () => {
    const { members } = await sound();
    const names = [
      "../escape",
      "/etc/passwd",
      "blobs/sha256/../../../etc/passwd",
      `blobs/sha256/${hex}/x`,
      `./blobs/../${hex}.json`,
      "blobs/sha256/short",
      `blobs/SHA256/${hex}`,
      `blobs/sha256/${hex.toUpperCase()}`,
      `Blobs/sha256/${hex}`,
      "index.json\0x",
      "",
      "index.json/x",
      "readme.txt",
    ];
    for (const name of names)
      await refused(
        written([...members, { name, body: json({}) }]),
        undefined,
        /Cannot (?:import member|parse digest|read the tar)/,
      );
    await refused(
      written([...members, { name: `blobs/md5/${"a".repeat(32)}`, body: json({}) }]),
      "invalid_argument",
      /md5/,
    );
    await refused(written([...members, { name: "tmp", type: "directory" }]), "invalid_argument", /directory/);
  });

  it("may hold files and directories only", async () => {
    const { members } = await sound();
    const types = ["link", "symlink", "character-device", "block-device", "fifo"] as const;
    for (const type of types) {
      const member = { name: `blobs/sha256/${hex}`, type, linkName: "/etc/shadow" };
      await refused(written([...members, member]), "invalid_argument", /expected a file/);
    }
    const leading = { name: `${hex}/layer.tar`, type: "symlink", linkName: "../../etc/shadow" } as const;
    await refused(written([...members, leading]), "invalid_argument", /leads elsewhere/);
  });

  it("may hold nothing twice", async () => {
    const { members } = await sound();
    for (const again of members) {
      await refused(written([...members, again]), "invalid_argument", /there twice/);
      await refused(written([...members, { ...again, name: `./${again.name}` }]), "invalid_argument", /there twice/);
    }
  });

  it("may not be larger than is taken, nor have larger documents", async () => {
    const { members } = await sound();
    await refused(written(members), "resource_exhausted", /more than 60000 bytes/, { maxBytes: 60_000 });
    await refused(inChunks(zlib.gzipSync(await bytesOf(written(members)))), "resource_exhausted", /60000/, {
      maxBytes: 60_000,
    });
    for (const name of ["index.json", "manifest.json", "oci-layout"]) {
      const large = { name, size: 2 ** 40, body: () => endless() };
      await refused(written([large]), "resource_exhausted", /at most 4194304 are taken/);
    }
    const sparse = { name: `blobs/sha256/${hex}`, size: 2 ** 40, body: () => endless() };
    await refused(written([layout, sparse]), "resource_exhausted", /more than 1000000 bytes/, { maxBytes: 1_000_000 });
    async function* directories(): AsyncGenerator<TarFile, void, undefined> {
      for (;;) yield { name: "blobs", type: "directory" };
    }
    await refused(writeTar(directories()), "resource_exhausted", /more than 20000 members/);
  });

  it("must have what the index names", async () => {
    const { members } = await sound();
    for (const [at, { name }] of members.entries()) {
      if (!name.startsWith("blobs/")) continue;
      await refused(written(members.toSpliced(at, 1)), "not_found", /is not whole|has no/);
    }
    for (const name of ["index.json", "oci-layout"]) {
      const rest = members.filter((one) => one.name !== name && one.name !== "manifest.json");
      await refused(written(rest), "data_loss", new RegExp(name));
    }
    const index = (manifests: unknown) => ({ name: "index.json", body: json({ schemaVersion: 2, manifests }) });
    await refused(written([layout, index([])]), "invalid_argument", /names no image/);
    await refused(written([layout, { name: "index.json", body: Buffer.from("{") }]), "invalid_argument", /index/);
    const bytes = { mediaType: "application/octet-stream", digest: digestOf(json({})), size: 2 };
    const blob = { name: `blobs/${bytes.digest.replace(":", "/")}`, body: json({}) };
    await refused(written([layout, index([bytes]), blob]), "invalid_argument", /neither an index nor a manifest/);
    await refused(written([layout, index([{ ...bytes, size: 3 }]), blob]), "invalid_argument", /neither/);
  });

  it("must say the layout's version", async () => {
    const { members } = await sound();
    const rest = members.filter(({ name }) => name !== "oci-layout");
    const version = (imageLayoutVersion: unknown) =>
      written([{ name: "oci-layout", body: json({ imageLayoutVersion }) }, ...rest]);
    await refused(version("2.0.0"), "not_implemented", /"2\.0\.0"/);
    await refused(version(1), "data_loss", /names no version/);
    await refused(version(undefined), "data_loss", /names no version/);
  });

  it("may not lie about sizes", async () => {
    const origin = new MemoryStore();
    const target = await new Graphs(origin).image("sized");
    const archive = await bytesOf(exportArchive(origin, [{ target }], { dockerManifest: false }));
    const members = (await membersOf(archive)).map((one) =>
      one.name === "index.json"
        ? { ...one, body: json({ schemaVersion: 2, manifests: [{ ...target, size: target.size + 1 }] }) }
        : one,
    );
    await refused(written(members), "data_loss", /bytes, expected/);
  });

  it("may not say different things to those who read manifest.json", async () => {
    const origin = new MemoryStore();
    const graphs = new Graphs(origin);
    const [first, second] = [await graphs.image("one"), await graphs.image("two")];
    const named = (name: string, target: typeof first) => [{ name, target }];
    const of = async (images: ReturnType<typeof named>) => membersOf(await bytesOf(exportArchive(origin, images)));
    const mine = await of(named("example.org/x:1", first));
    const docker = (await of(named("example.org/x:1", second))).find(({ name }) => name === "manifest.json");
    assert.ok(docker);
    const swapped = mine.map((one) => (one.name === "manifest.json" ? docker : one));
    await refused(written(swapped), "data_loss", /contradicts its index\.json: the image of config/);
    const both = await of([...named("example.org/x:1", first), ...named("example.org/y:1", second)]);
    const renamed = both.map((one) =>
      one.name === "manifest.json"
        ? {
            ...one,
            body: Buffer.from(
              Buffer.from(one.body ?? "")
                .toString()
                .replace("/x:1", "/z:1")
                .replace("/y:1", "/x:1"),
            ),
          }
        : one,
    );
    await refused(written(renamed), "data_loss", /"example\.org\/x:1" is not the same image in both/);
    for (const body of ["{}", "[]", "[1]", '[{"Layers":[]}]', "\xff"]) {
      const broken = mine.map((one) =>
        one.name === "manifest.json" ? { ...one, body: Buffer.from(body, "latin1") } : one,
      );
      await refused(written(broken), "invalid_argument", /manifest\.json/);
    }
  });

  it("may not name images with what is not printable", async () => {
    const origin = new MemoryStore();
    const target = await new Graphs(origin).image("named");
    const members = await membersOf(await bytesOf(exportArchive(origin, [{ target }])));
    for (const name of ["a b", "a\u001b[2J", "", "x".repeat(600), "\u202eabc"]) {
      const annotations = { "io.containerd.image.name": name };
      const index = { name: "index.json", body: json({ schemaVersion: 2, manifests: [{ ...target, annotations }] }) };
      await refused(
        written(members.map((one) => (one.name === "index.json" ? index : one))),
        "invalid_argument",
        /Cannot call an image/,
      );
    }
  });

  it("is refused wherever it is cut, packed or not", async () => {
    const { archive } = await sound();
    const packed = zlib.gzipSync(archive);
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        async (isPacked, at) => {
          const bytes = isPacked ? packed : archive;
          await refused(inChunks(bytes.subarray(0, Math.floor(at * bytes.length))), "data_loss", /./);
        },
      ),
      { numRuns: 200 },
    );
    for (let at = 0; at < archive.length; at += 512) await refused(inChunks(archive.subarray(0, at)), "data_loss", /./);
  });

  it("is refused whatever byte of it is flipped, unless what it says stays the same", async () => {
    const origin = new MemoryStore();
    const target = await new Graphs(origin).checkpoint("flipped", undefined);
    const image = { name: "example.org/f:1", target };
    const archive = await bytesOf(exportArchive(origin, [image]));
    const attempt = async (at: number, bit: number): Promise<void> => {
      const broken = Buffer.from(archive);
      broken[at] = (broken[at] ?? 0) ^ (1 << bit);
      const store = new MemoryStore();
      try {
        // Padding and the spare bytes of headers say nothing.
        assert.deepEqual(await importArchive(store, inChunks(broken)), [{ ...image, refName: "1" }]);
        assert.deepEqual(await bytesOf(exportArchive(store, [image])), archive);
      } catch (reason) {
        assert.ok(isContainerdError(reason, "data_loss"), `${at}.${bit}: ${String(reason)}`);
        assert.deepEqual([await all(store.list()), await all(store.statuses())], [[], []]);
      }
    };
    for (let at = 0; at < 4 * 512; at++) await attempt(at, at % 8);
    const anywhere = fc.asyncProperty(
      fc.integer({ min: 0, max: archive.length - 1 }),
      fc.integer({ min: 0, max: 7 }),
      attempt,
    );
    await fc.assert(anywhere, { numRuns: 300 });
  });
});

describe("archives that are torn", () => {
  it("are refused with an error that says what it is, or are what they were; whatever block is where", async () => {
    const { archive } = await sound();
    const count = archive.length / 512;
    const block = fc.integer({ min: 0, max: count - 1 });
    const change = fc.record({
      what: fc.constantFrom("drop", "repeat", "swap", "zero", "noise"),
      at: block,
      other: block,
      noise: fc.uint8Array({ minLength: 512, maxLength: 512 }),
    });
    const torn = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), async (changes) => {
      const blocks = Array.from({ length: count }, (_, at) => archive.subarray(at * 512, at * 512 + 512));
      for (const { what, noise, ...chosen } of changes) {
        // Fewer blocks may be left than there were to choose from.
        const [at, other] = [chosen.at % blocks.length, chosen.other % blocks.length];
        const [one, two] = [blocks[at] ?? noise, blocks[other] ?? noise];
        if (what === "drop") blocks.splice(at, 1);
        else if (what === "repeat") blocks.splice(other, 0, one);
        else if (what === "swap") [blocks[at], blocks[other]] = [two, one];
        else blocks[at] = what === "zero" ? new Uint8Array(512) : noise;
      }
      const store = new MemoryStore();
      try {
        const [image] = await importArchive(store, inChunks(Buffer.concat(blocks)));
        assert.equal(image?.name, "example.org/sound:1");
        assert.deepEqual(await bytesOf(exportArchive(store, [{ name: image.name, target: image.target }])), archive);
      } catch (reason) {
        assert.ok(isContainerdError(reason), String(reason));
        assert.deepEqual([await all(store.list()), await all(store.statuses())], [[], []]);
      }
    });
    await fc.assert(torn, { numRuns: 300 });
  });
});

describe("archives as docker save wrote them", () => {
  const layers = [Buffer.from("lower"), zlib.gzipSync(Buffer.from("upper"))] as const;
  const diffIds = [digestOf(layers[0]), digestOf(Buffer.from("upper"))];
  const config = json({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: diffIds } });
  const configName = `${digestOf(config).slice(7)}.json`;
  const [lower, upper, again] = ["1", "2", "3"].map((digit) => digit.repeat(64));
  const image = {
    Config: configName,
    RepoTags: ["app:1", "app"],
    Layers: [`${lower}/layer.tar`, `${again}/layer.tar`],
  };
  const members: readonly TarFile[] = [
    { name: `${lower}/`, type: "directory" },
    { name: `${lower}/VERSION`, body: Buffer.from("1.0") },
    { name: `${lower}/json`, body: json({}) },
    { name: `${lower}/layer.tar`, body: layers[0] },
    { name: `${upper}/layer.tar`, body: layers[1] },
    { name: `${again}/layer.tar`, type: "symlink", linkName: `../${upper}/layer.tar` },
    { name: configName, body: config },
    { name: "manifest.json", body: json([image]) },
    { name: "repositories", body: json({}) },
  ];
  const changed = (name: string, body: Uint8Array) =>
    written(members.map((one) => (one.name === name ? { name, body } : one)));

  it("are images with a manifest", async () => {
    const store = new MemoryStore();
    const [first, second] = await importArchive(store, written(members));
    assert.deepEqual([first?.name, second?.name], ["docker.io/library/app:1", "docker.io/library/app:latest"]);
    assert.ok(first && second);
    assert.deepEqual(first.target, second.target);
    const { layers: found, config: described } = parseManifest(await readBlob(store, first.target));
    assert.equal(described.digest, digestOf(config));
    assert.deepEqual(
      found.map(({ digest, mediaType }) => [digest, mediaType]),
      [
        [digestOf(layers[0]), "application/vnd.docker.image.rootfs.diff.tar"],
        [digestOf(layers[1]), "application/vnd.docker.image.rootfs.diff.tar.gzip"],
      ],
    );
    assert.equal((await all(store.list())).length, 4);
  });

  it("may not lie either", async () => {
    await refused(changed(configName, json({ os: "plan9" })), "data_loss", /its digest is/);
    await refused(changed(`${lower}/layer.tar`, Buffer.from("other")), "data_loss", /expected sha256/);
    await refused(
      changed("manifest.json", json([{ ...image, Layers: image.Layers.slice(1) }])),
      "data_loss",
      /1 layers, but 2/,
    );
    for (const path of ["../../etc/passwd", `${"4".repeat(64)}/layer.tar`, "manifest.json", ""]) {
      await refused(changed("manifest.json", json([{ ...image, Config: path }])), "not_found", /it has no/);
      await refused(changed("manifest.json", json([{ ...image, Layers: [path, path] }])), "not_found", /it has no/);
    }
    await refused(
      changed("manifest.json", json([{ ...image, RepoTags: ["UPPER CASE"] }])),
      "invalid_argument",
      /reference/,
    );
    const loop = { name: `${again}/layer.tar`, type: "symlink", linkName: `../${again}/layer.tar` } as const;
    await refused(written(members.map((one) => (one.type === "symlink" ? loop : one))), "not_found", /it has no/);
    await refused(
      changed("manifest.json", json(Array.from({ length: 1001 }, () => image))),
      "resource_exhausted",
      /1001 images/,
    );
  });
});

describe("archives of any images", () => {
  it("are one image when their index is meant", async () => {
    const [from, to] = [new MemoryStore(), new MemoryStore()];
    const graphs = new Graphs(from);
    const images = [{ target: await graphs.image("one") }, { target: await graphs.image("two") }];
    const [image, ...others] = await importArchive(to, exportArchive(from, images), { asIndex: true });
    assert.deepEqual(others, []);
    assert.ok(image);
    const { manifests } = parseIndex(await readBlob(to, image.target));
    assert.deepEqual(
      manifests,
      images.map(({ target }) => target),
    );
    assert.deepEqual(
      Object.values((await to.info(image.target.digest)).labels),
      images.map(({ target }) => target.digest),
    );
  });

  it("come packed with zstd, whatever the Node.js", async () => {
    const { archive } = await sound();
    assert.equal((await importArchive(new MemoryStore(), inChunks(storedAsZstd(archive)))).length, 1);
    await refused(inChunks(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0])), "data_loss", /zstd/);
  });

  it("keep every digest, whatever the chunks and the order", async () => {
    const kinds = fc.constantFrom("image", "multi", "docker", "checkpoint");
    await fc.assert(
      fc.asyncProperty(
        fc.array(kinds, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 100, max: 300_000 }),
        async (list, size) => {
          const [from, to] = [new MemoryStore(), new MemoryStore()];
          const graphs = new Graphs(from);
          const images = [];
          for (const [at, kind] of list.entries()) {
            const name = `${kind}-${at}`;
            const target = await {
              image: () => graphs.image(name),
              multi: () => graphs.multi(name),
              docker: () => graphs.multi(name, true),
              checkpoint: async () => graphs.checkpoint(name, await graphs.image(name, amd64)),
            }[kind as "image"]();
            images.push({ name: `example.org/${name}:tag`, target });
          }
          const archive = await bytesOf(exportArchive(from, images));
          assert.deepEqual(
            await importArchive(to, inChunks(archive, size)),
            images.map((one) => ({ ...one, refName: "tag" })),
          );
          const digests = async (store: MemoryStore) => (await all(store.list())).map((one) => one.digest).sort();
          assert.deepEqual(await digests(to), await digests(from));
          assert.deepEqual(await bytesOf(exportArchive(to, images)), archive);
        },
      ),
      { numRuns: 30 },
    );
  });
});

async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) yield new Uint8Array(65_536);
}
