import { writeBlob } from "../../src/content/blob.js";
import { gcLabels } from "../../src/content/walk.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { type Digest, digestOf } from "../../src/oci/digest.js";
import { encodeIndex, type Index } from "../../src/oci/image-index.js";
import { encodeManifest, type Manifest } from "../../src/oci/manifest.js";
import * as types from "../../src/oci/media-types.js";
import type { Platform } from "../../src/oci/platform.js";
import type { ContentBed } from "./content-bed.js";

/** An image that was written, part by part. */
export interface Sample {
  readonly target: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** A layer that can be unpacked. */
export interface PackedLayer {
  readonly bytes: Uint8Array;
  readonly diffId: Digest;
}

/** How a sample differs from a plain OCI image. */
export interface SampleOptions {
  readonly docker?: boolean;
  readonly layerTypes?: readonly string[];
}

export const amd64: Platform = { architecture: "amd64", os: "linux" };
export const arm64: Platform = { architecture: "arm64", os: "linux", variant: "v8" };
export const armv6: Platform = { architecture: "arm", os: "linux", variant: "v6" };
export const nowhere: Platform = { architecture: "unknown", os: "unknown" };

/** Adds up what descriptors say. */
export function sizeOf(...descriptors: readonly Descriptor[]): number {
  return descriptors.reduce((sum, { size }) => sum + size, 0);
}

/** Writes images of all kinds into the store under test. */
export class Samples {
  readonly #bed: Pick<ContentBed, "store" | "call">;

  constructor(bed: Pick<ContentBed, "store" | "call">) {
    this.#bed = bed;
  }

  blob(text: string, mediaType: string): Promise<Descriptor> {
    return this.#write(Buffer.from(text), mediaType);
  }

  /** An image with layers of these texts, which are not really layers, or with real ones. */
  async image(
    platform: Platform,
    layers: readonly (string | PackedLayer)[],
    options: SampleOptions = {},
  ): Promise<Sample> {
    const { docker = false, layerTypes = [] } = options;
    const layerType = docker ? types.MEDIA_TYPE_DOCKER_LAYER_GZIP : types.MEDIA_TYPE_LAYER_GZIP;
    const written: Descriptor[] = [];
    for (const [at, layer] of layers.entries()) {
      const bytes = typeof layer === "string" ? Buffer.from(layer) : layer.bytes;
      written.push(await this.#write(bytes, layerTypes[at] ?? layerType));
    }
    const diffIds = layers.map((layer) =>
      typeof layer === "string" ? digestOf(Buffer.from(`unpacked ${layer}`)) : layer.diffId,
    );
    const text = JSON.stringify({ ...platform, rootfs: { type: "layers", diff_ids: diffIds } });
    const configType = docker ? types.MEDIA_TYPE_DOCKER_IMAGE_CONFIG : types.MEDIA_TYPE_IMAGE_CONFIG;
    const config = await this.blob(text, configType);
    const mediaType = docker ? types.MEDIA_TYPE_DOCKER_MANIFEST : types.MEDIA_TYPE_MANIFEST;
    const target = await this.manifest({ mediaType, config, layers: written });
    return { target, config, layers: written };
  }

  manifest(fields: Pick<Manifest, "config" | "layers"> & Partial<Manifest>): Promise<Descriptor> {
    const { mediaType = types.MEDIA_TYPE_MANIFEST, config, layers } = fields;
    const bytes = encodeManifest({ schemaVersion: 2, ...fields, mediaType });
    return this.#write(bytes, mediaType, [config, ...layers]);
  }

  index(manifests: readonly Descriptor[], fields: Partial<Index> = {}): Promise<Descriptor> {
    const { mediaType = types.MEDIA_TYPE_INDEX } = fields;
    return this.#write(encodeIndex({ schemaVersion: 2, mediaType, manifests, ...fields }), mediaType, manifests);
  }

  /** As containerd writes it: an index of parts that are no manifests, without a media type of its own. */
  async checkpoint(): Promise<{ readonly target: Descriptor; readonly parts: readonly Descriptor[] }> {
    const kinds = ["criu.checkpoint.criu.tar", "checkpoint.config.v1+proto", "checkpoint.runtime.name"];
    const parts: Descriptor[] = [];
    for (const kind of kinds) {
      const part = await this.blob(`the ${kind}`, `application/vnd.containerd.container.${kind}`);
      parts.push({ ...part, platform: amd64 });
    }
    const bytes = encodeIndex({ schemaVersion: 2, manifests: parts });
    return { target: await this.#write(bytes, types.MEDIA_TYPE_INDEX, parts), parts };
  }

  /** Content that no store has. */
  lost(text: string, mediaType: string): Descriptor {
    return { mediaType, digest: digestOf(Buffer.from(text)), size: text.length };
  }

  #write(bytes: Uint8Array, mediaType: string, refs: readonly Descriptor[] = []): Promise<Descriptor> {
    return writeBlob(this.#bed.store, bytes, { mediaType, labels: gcLabels(refs) }, this.#bed.call);
  }
}
