import type { Client } from "containerd-client";
import { gcLabels, writeBlob } from "containerd-client/content";
import type { Lease } from "containerd-client/leases";
import {
  type Descriptor,
  defaultSpec,
  encodeIndex,
  encodeManifest,
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_LAYER_GZIP,
  MEDIA_TYPE_MANIFEST,
} from "containerd-client/oci";
import { packSpec } from "../src/client/spec-any.js";
import type { Bench } from "./bench.js";
import { withMemoryDaemon } from "./memory-daemon.js";

/** How much is in a store. */
export interface StoreSizes {
  readonly blobs: number;
  readonly containers: number;
  /** How many manifests one index has. */
  readonly manifests: number;
}

const AT_ONCE = 32;

/** The image whose index has that many manifests. */
export const INDEX_REF = "docker.io/library/index:1";

/** Has a daemon full of small things, while it is used. */
export async function withLargeStore(
  bench: Bench,
  sizes: StoreSizes,
  use: (address: string) => Promise<void>,
): Promise<void> {
  await withMemoryDaemon(bench, async ({ address, client }) => {
    const lease = await client.leases.create();
    await writeIndex(client, lease, sizes.manifests);
    await times(sizes.blobs - sizes.manifests - 1, async (number) => {
      const labels = { "containerd.io/distribution.source.docker.io": `library/blob-${number}` };
      await writeBlob(client.content, Buffer.from(`blob ${number}`), { mediaType: "text/plain", labels }, { lease });
    });
    const spec = packSpec(defaultSpec({ id: "container", namespace: client.namespace }));
    await times(sizes.containers, async (number) => {
      const labels = { "io.kubernetes.pod.name": `pod-${number}`, "io.cri-containerd.kind": "container" };
      await client.containers.register({ id: `container-${number}`, runtime: RUNTIME, spec, labels });
    });
    await use(address);
  });
}

const RUNTIME = { name: "io.containerd.runc.v2" };

async function times(count: number, act: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function writeIndex(client: Client, lease: Lease, count: number): Promise<void> {
  const manifests: Descriptor[] = [];
  // What they refer to is nowhere: a walk does not read it.
  const elsewhere = (mediaType: string, number: number): Descriptor => ({
    mediaType,
    digest: `sha256:${number.toString(16).padStart(64, "0")}`,
    size: 1000,
  });
  await times(count, async (number) => {
    const manifest = encodeManifest({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE_MANIFEST,
      config: elsewhere(MEDIA_TYPE_IMAGE_CONFIG, 2 * number),
      layers: [elsewhere(MEDIA_TYPE_LAYER_GZIP, 2 * number + 1)],
    });
    manifests.push(await writeBlob(client.content, manifest, { mediaType: MEDIA_TYPE_MANIFEST }, { lease }));
  });
  const index = encodeIndex({ schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests });
  const labels = gcLabels(manifests);
  const target = await writeBlob(client.content, index, { mediaType: MEDIA_TYPE_INDEX, labels }, { lease });
  await client.images.create(INDEX_REF, target, { lease });
}
