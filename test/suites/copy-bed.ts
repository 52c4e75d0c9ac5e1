import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { CheckpointMediaType } from "../../src/checkpoint/media-types.js";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import type { Provider, Store } from "../../src/content/store.js";
import { walk } from "../../src/content/walk.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { encodeIndex } from "../../src/oci/image-index.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import {
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_LAYER,
  MEDIA_TYPE_MANIFEST,
} from "../../src/oci/media-types.js";
import type { ContentSubject } from "./content-bed.js";

/** A graph with everything that graphs have: an index in an index, a checkpoint, a layer that two images share. */
export interface Graph {
  readonly root: Descriptor;
  readonly amd64: Descriptor;
  readonly arm64: Descriptor;
  readonly checkpoint: Descriptor;
  readonly memory: Descriptor;
  readonly blobs: readonly Descriptor[];
}

/** Makes the graph, of bytes that are nowhere else. */
export async function makeGraph({ store, call }: ContentSubject, memoryBytes = 3_000_000): Promise<Graph> {
  const blob = (bytes: Uint8Array, mediaType: string) => writeBlob(store, bytes, { mediaType }, call);
  const index = (manifests: readonly Descriptor[]) =>
    blob(encodeIndex({ schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests }), MEDIA_TYPE_INDEX);
  const shared = await blob(randomBytes(70_000), MEDIA_TYPE_LAYER);
  const image = async (architecture: string): Promise<Descriptor> => {
    const config = await blob(
      Buffer.from(JSON.stringify({ architecture, os: "linux", nonce: randomBytes(8).toString("hex") })),
      MEDIA_TYPE_IMAGE_CONFIG,
    );
    const layers = [
      shared,
      await blob(randomBytes(1_000), MEDIA_TYPE_LAYER),
      await blob(new Uint8Array(), MEDIA_TYPE_LAYER),
    ];
    const manifest = encodeManifest({ schemaVersion: 2, mediaType: MEDIA_TYPE_MANIFEST, config, layers });
    return { ...(await blob(manifest, MEDIA_TYPE_MANIFEST)), platform: { os: "linux", architecture } };
  };
  const [amd64, arm64] = [await image("amd64"), await image("arm64")];
  const memory = await blob(randomBytes(memoryBytes), CheckpointMediaType.task);
  const spec = await blob(randomBytes(500), CheckpointMediaType.spec);
  const { platform: _platform, ...base } = amd64;
  const checkpoint = await index([base, memory, spec]);
  const root = await index([await index([amd64, arm64]), checkpoint]);
  const blobs: Descriptor[] = [];
  for await (const { descriptor } of walk(store, root)) blobs.push(descriptor);
  assert.equal(new Set(blobs.map(({ digest }) => digest)).size, 13);
  return { root, amd64, arm64, checkpoint, memory, blobs };
}

/** The whole graph is there, byte for byte, and each document holds what it refers to. */
export async function assertArrived(from: Provider, to: Store, root: Descriptor): Promise<void> {
  const below = new Map<string, Set<string>>();
  for await (const { descriptor, parent } of walk(to, root)) {
    const there = await readBlob(to, descriptor, { maxBytes: descriptor.size });
    const here = await readBlob(from, descriptor, { maxBytes: descriptor.size });
    assert.ok(Buffer.from(there).equals(here), descriptor.digest);
    if (parent === undefined) continue;
    below.set(parent.digest, (below.get(parent.digest) ?? new Set()).add(descriptor.digest));
  }
  for (const [digest, children] of below) {
    const { labels } = await to.info(digest as Descriptor["digest"]);
    for (const child of children) assert.ok(Object.values(labels).includes(child), `${digest} does not hold ${child}`);
  }
}

/** A provider whose bytes go through `change` on their way, with where they are in the blob. */
export function through(
  from: Provider,
  change: (chunk: Uint8Array, at: number, digest: string) => Uint8Array,
): Provider {
  return {
    async *read(target, options = {}) {
      let at = options.offset ?? 0;
      for await (const chunk of from.read(target, options)) {
        const changed = change(chunk, at, target.digest);
        at += chunk.length;
        if (changed.length > 0) yield changed;
      }
    },
  };
}

/** What may be wrong with a blob's bytes on their way, and where. */
export interface Lie {
  readonly digest: string;
  readonly kind: "flip" | "cut" | "add";
  readonly at: number;
}

/** A provider that gives other bytes for one blob. */
export function lying(from: Provider, { digest, kind, at }: Lie): Provider {
  return {
    async *read(target, options = {}) {
      if (target.digest !== digest) return yield* from.read(target, options);
      let place = options.offset ?? 0;
      for await (const chunk of from.read(target, options)) {
        const [bytes, here] = [Uint8Array.from(chunk), at - place];
        place += chunk.length;
        if (kind === "flip" && here >= 0 && here < bytes.length) bytes[here] = (bytes[here] ?? 0) ^ 4;
        yield kind === "cut" && here < bytes.length ? bytes.subarray(0, Math.max(here, 0)) : bytes;
      }
      if (kind === "add") yield Uint8Array.of(1);
    },
  };
}
