import type { CallOptions } from "../../src/call-options.js";
import { CheckpointMediaType } from "../../src/checkpoint/media-types.js";
import { writeBlob } from "../../src/content/blob.js";
import { children } from "../../src/content/documents.js";
import type { Ingester } from "../../src/content/store.js";
import { gcLabels } from "../../src/content/walk.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeIndex, type Index } from "../../src/oci/image-index.js";
import { encodeManifest } from "../../src/oci/manifest.js";
import {
  MEDIA_TYPE_DOCKER_IMAGE_CONFIG,
  MEDIA_TYPE_DOCKER_LAYER,
  MEDIA_TYPE_DOCKER_MANIFEST,
  MEDIA_TYPE_DOCKER_MANIFEST_LIST,
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_LAYER,
  MEDIA_TYPE_MANIFEST,
} from "../../src/oci/media-types.js";
import type { Platform } from "../../src/oci/platform.js";

export const amd64: Platform = { os: "linux", architecture: "amd64" };
export const arm64: Platform = { os: "linux", architecture: "arm64" };

/** Writes small images of all kinds into a store. */
export class Graphs {
  readonly #store: Ingester;
  readonly #call: CallOptions;

  constructor(store: Ingester, call: CallOptions = {}) {
    this.#store = store;
    this.#call = call;
  }

  blob(content: string | Uint8Array, mediaType: string): Promise<Descriptor> {
    const bytes = Buffer.from(content);
    const labels = gcLabels(children(bytes, { mediaType }));
    return writeBlob(this.#store, bytes, { mediaType, labels }, this.#call);
  }

  index(manifests: readonly Descriptor[], more: Partial<Index> = {}): Promise<Descriptor> {
    const mediaType = more.mediaType ?? MEDIA_TYPE_INDEX;
    return this.blob(encodeIndex({ schemaVersion: 2, manifests, ...more }), mediaType);
  }

  /** An image for one machine; `name` makes it unlike others. */
  async image(name: string, { os, architecture }: Platform = amd64, docker = false): Promise<Descriptor> {
    const layers = [Buffer.from(`layer of ${name}`), Buffer.alloc(70_000, name)];
    const config = {
      os,
      architecture,
      config: {},
      rootfs: { type: "layers", diff_ids: layers.map((one) => digestOf(one)) },
    };
    return this.blob(
      encodeManifest({
        schemaVersion: 2,
        mediaType: docker ? MEDIA_TYPE_DOCKER_MANIFEST : MEDIA_TYPE_MANIFEST,
        config: await this.blob(
          JSON.stringify(config),
          docker ? MEDIA_TYPE_DOCKER_IMAGE_CONFIG : MEDIA_TYPE_IMAGE_CONFIG,
        ),
        layers: await Promise.all(
          layers.map((layer) => this.blob(layer, docker ? MEDIA_TYPE_DOCKER_LAYER : MEDIA_TYPE_LAYER)),
        ),
      }),
      docker ? MEDIA_TYPE_DOCKER_MANIFEST : MEDIA_TYPE_MANIFEST,
    );
  }

  /** An image for two machines. */
  async multi(name: string, docker = false): Promise<Descriptor> {
    const mediaType = docker ? MEDIA_TYPE_DOCKER_MANIFEST_LIST : MEDIA_TYPE_INDEX;
    const manifests = [
      { ...(await this.image(`${name} amd64`, amd64, docker)), platform: amd64 },
      { ...(await this.image(`${name} arm64`, arm64, docker)), platform: arm64 },
    ];
    return this.index(manifests, { mediaType });
  }

  /** A checkpoint; its parts are what they are by their types alone. */
  async checkpoint(
    name: string,
    base: Descriptor | undefined,
    annotations: Record<string, string> = {},
  ): Promise<Descriptor> {
    const parts = [
      ...(base === undefined ? [] : [base]),
      { ...(await this.blob(`rw ${name}`, MEDIA_TYPE_LAYER)), platform: amd64 },
      { ...(await this.blob(Buffer.alloc(100_000, name), CheckpointMediaType.task)), platform: amd64 },
      { ...(await this.blob(`spec ${name}`, CheckpointMediaType.spec)), platform: amd64 },
    ];
    return this.index(parts, {
      annotations: { "io.containerd.checkpoint.runtime": "io.containerd.runc.v2", ...annotations },
    });
  }
}
