import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { children } from "../../src/content/documents.js";
import { MemoryStore } from "../../src/content/memory.js";
import type { Provider } from "../../src/content/store.js";
import { gcLabels, type WalkOptions, walk } from "../../src/content/walk.js";
import { isContainerdError, isDataLoss, isInvalidArgument, isNotFound } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeIndex } from "../../src/oci/image-index.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import {
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_LAYER,
  MEDIA_TYPE_MANIFEST,
} from "../../src/oci/media-types.js";

/** Counts what is read, how much of it at once, and what was not read to its end. */
class Watched implements Provider {
  readonly reads = new Map<string, number>();
  now = 0;
  most = 0;
  signal: AbortSignal | undefined;
  readonly #store: Provider;
  constructor(store: Provider) {
    this.#store = store;
  }
  async *read(target: Parameters<Provider["read"]>[0], options: Parameters<Provider["read"]>[1] = {}) {
    this.reads.set(target.digest, (this.reads.get(target.digest) ?? 0) + 1);
    this.most = Math.max(this.most, ++this.now);
    this.signal = options.signal;
    try {
      await new Promise((resolve) => setTimeout(resolve, 2));
      options.signal?.throwIfAborted();
      yield* this.#store.read(target, options);
    } finally {
      this.now--;
    }
  }
}

async function graph() {
  const store = new MemoryStore();
  const blob = (text: string, mediaType: string) => writeBlob(store, Buffer.from(text), { mediaType });
  const index = (manifests: Descriptor[]) =>
    writeBlob(store, encodeIndex({ schemaVersion: 2, manifests }), { mediaType: MEDIA_TYPE_INDEX });
  const manifest = async (name: string, layers: Descriptor[]) =>
    writeBlob(
      store,
      encodeManifest({ schemaVersion: 2, config: await blob(`config ${name}`, MEDIA_TYPE_IMAGE_CONFIG), layers }),
      { mediaType: MEDIA_TYPE_MANIFEST },
    );
  const shared = await blob("shared", MEDIA_TYPE_LAYER);
  return { store, blob, index, manifest, shared };
}

async function names(provider: Provider, root: Descriptor, options?: WalkOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const { descriptor, parent, depth } of walk(provider, root, options)) {
    assert.equal(parent === undefined, depth === 0);
    found.push(`${depth} ${descriptor.digest}`);
  }
  return found;
}

describe("walk", () => {
  it("goes depth first, and reads each document once, a few ahead", async () => {
    const { store, blob, index, manifest, shared } = await graph();
    const own = await blob("own", MEDIA_TYPE_LAYER);
    const manifests = [await manifest("a", [shared, own]), await manifest("b", [shared])];
    for (let at = 0; at < 20; at++) manifests.push(await manifest(`m${at}`, [shared]));
    const inner = await index([...manifests.slice(0, 2)]);
    const root = await index([inner, ...manifests]);
    const provider = new Watched(store);
    const config = (name: string) => digestOf(Buffer.from(`config ${name}`));
    const found = await names(provider, root);
    assert.deepEqual(found.slice(0, 8), [
      `0 ${root.digest}`,
      `1 ${inner.digest}`,
      `2 ${manifests[0]?.digest}`,
      `3 ${config("a")}`,
      `3 ${shared.digest}`,
      `3 ${own.digest}`,
      `2 ${manifests[1]?.digest}`,
      `3 ${config("b")}`,
    ]);
    assert.equal(found.length, 8 + 20 * 2);
    assert.equal(new Set(found.map((line) => line.slice(2))).size, found.length);
    assert.deepEqual(
      [...provider.reads.values()],
      Array.from({ length: 24 }, () => 1),
    );
    assert.equal(provider.most, 4);
  });

  it("takes a checkpoint as it is: its parts are no manifests", async () => {
    const { store, blob, index } = await graph();
    const parts = await Promise.all(
      ["criu.checkpoint.criu.tar", "checkpoint.config.v1+proto", "checkpoint.options.v1+proto"].map((type) =>
        blob(type, `application/vnd.containerd.container.${type}`),
      ),
    );
    const root = await index(parts);
    const provider = new Watched(store);
    assert.deepEqual(await names(provider, root), [`0 ${root.digest}`, ...parts.map(({ digest }) => `1 ${digest}`)]);
    assert.deepEqual([...provider.reads.keys()], [root.digest]);
    assert.deepEqual(gcLabels(parts), {
      "containerd.io/gc.ref.content.0": parts[0]?.digest,
      "containerd.io/gc.ref.content.1": parts[1]?.digest,
      "containerd.io/gc.ref.content.2": parts[2]?.digest,
    });
  });

  it("does not open what is to be skipped, nor read it ahead", async () => {
    const { store, index, manifest, shared } = await graph();
    const kept = await manifest("kept", [shared]);
    const gone = { mediaType: MEDIA_TYPE_MANIFEST, digest: digestOf(Buffer.from("gone")), size: 4 };
    const root = await index([gone, kept]);
    const provider = new Watched(store);
    const found = await names(provider, root, { skip: ({ descriptor }) => descriptor.digest === gone.digest });
    assert.equal(found.length, 5);
    assert.equal(provider.reads.get(gone.digest), undefined);
    await assert.rejects(names(store, root), isNotFound);
    assert.deepEqual(await names(store, root, { skip: () => true }), [`0 ${root.digest}`]);
  });

  it("opens a document that was met as plain bytes before", async () => {
    const { store, index, manifest, shared } = await graph();
    const document = await manifest("m", [shared]);
    const root = await index([{ ...document, mediaType: "application/octet-stream" }, document]);
    assert.ok((await names(store, root)).includes(`2 ${shared.digest}`));
  });

  it("ends the reading ahead when the loop is left", async () => {
    const { store, index, manifest, shared } = await graph();
    const root = await index(await Promise.all([1, 2, 3, 4, 5, 6].map((at) => manifest(`m${at}`, [shared]))));
    const provider = new Watched(store);
    for await (const { depth } of walk(provider, root)) if (depth === 1) break;
    assert.ok(provider.now > 0 && provider.signal?.aborted);
    const reason = new Error("enough");
    await assert.rejects(names(provider, root, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  });

  it("refuses a circle and what is too deep", async () => {
    const { store, index } = await graph();
    const own = { mediaType: MEDIA_TYPE_INDEX, digest: digestOf(Buffer.from("x")), size: 0 };
    const circle = encodeIndex({ schemaVersion: 2, manifests: [{ ...own, size: 0 }] });
    const liar: Provider = {
      async *read() {
        yield circle;
      },
    };
    await assert.rejects(names(liar, { ...own, size: circle.length }), isDataLoss);
    let deepest = await index([]);
    for (let depth = 0; depth < 32; depth++) deepest = await index([deepest]);
    assert.equal((await names(store, deepest)).length, 33);
    await assert.rejects(names(store, await index([deepest])), isDataLoss);
  });

  it("refuses to read nothing at once", async () => {
    const { store, index } = await graph();
    const root = await index([]);
    for (const concurrency of [0, -1, 1.5, Number.NaN]) {
      await assert.rejects(names(store, root, { concurrency }), isInvalidArgument);
    }
  });

  it("is what a plain walk of the graph is, whatever the graph", async () => {
    const { store, index, manifest, blob } = await graph();
    const shape = fc.array(fc.array(fc.nat({ max: 9 }), { maxLength: 4 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        shape,
        fc.integer({ min: 1, max: 6 }),
        fc.nat({ max: 2 }),
        async (lists, concurrency, skipped) => {
          const made: { descriptor: Descriptor; below: number[] }[] = [];
          for (const [at, picks] of lists.entries()) {
            const below = picks.map((pick) => pick % (at + 1)).filter((pick) => pick < at);
            const parts = below.map((pick) => made[pick]?.descriptor as Descriptor);
            const leaves = parts.every(({ mediaType }) => mediaType === MEDIA_TYPE_LAYER);
            if (at === 0) made.push({ descriptor: await blob("leaf", MEDIA_TYPE_LAYER), below });
            else if (leaves && at % 3 === 0) {
              const descriptor = await manifest(`m${at}`, parts);
              made.push({ descriptor, below });
            } else made.push({ descriptor: await index(parts), below });
          }
          const root = made.at(-1)?.descriptor as Descriptor;
          const skip = ({ depth }: { depth: number }) => skipped > 0 && depth >= skipped + 1;
          const expected: string[] = [];
          const seen = new Set<string>();
          const visit = async (descriptor: Descriptor, depth: number): Promise<void> => {
            if (seen.has(descriptor.digest)) return;
            seen.add(descriptor.digest);
            expected.push(`${depth} ${descriptor.digest}`);
            if (skip({ depth })) return;
            const isDocument = [MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST].includes(descriptor.mediaType);
            const bytes = isDocument ? await readBlob(store, descriptor) : new Uint8Array();
            for (const child of children(bytes, descriptor)) await visit(child, depth + 1);
          };
          await visit(root, 0);
          const provider = new Watched(store);
          assert.deepEqual(await names(provider, root, { concurrency, skip }), expected);
          assert.ok(provider.most <= concurrency);
          assert.ok([...provider.reads.values()].every((count) => count === 1));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("refuses documents that are none, or too large", async () => {
    const { store, blob } = await graph();
    await assert.rejects(names(store, await blob("{", MEDIA_TYPE_INDEX)), isInvalidArgument);
    const large = { mediaType: MEDIA_TYPE_INDEX, digest: digestOf(Buffer.from("x")), size: 5 * 1024 * 1024 };
    await assert.rejects(names(store, large), (error) => isContainerdError(error, "resource_exhausted"));
  });
});
