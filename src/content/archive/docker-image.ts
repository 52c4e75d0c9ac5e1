import type { CallOptions } from "../../call-options.js";
import { DataLossError, NotFoundError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { parseImageConfig } from "../../oci/image-config.js";
import { encodeManifest, type Manifest } from "../../oci/manifest.js";
import {
  MEDIA_TYPE_DOCKER_IMAGE_CONFIG,
  MEDIA_TYPE_DOCKER_LAYER,
  MEDIA_TYPE_DOCKER_LAYER_GZIP,
  MEDIA_TYPE_DOCKER_LAYER_ZSTD,
  MEDIA_TYPE_DOCKER_MANIFEST,
} from "../../oci/media-types.js";
import { readDocument } from "../documents.js";
import type { Provider } from "../store.js";
import type { DockerImage } from "./docker-manifest.js";
import type { Arrival } from "./incoming.js";

const layerTypes = {
  none: MEDIA_TYPE_DOCKER_LAYER,
  gzip: MEDIA_TYPE_DOCKER_LAYER_GZIP,
  zstd: MEDIA_TYPE_DOCKER_LAYER_ZSTD,
} as const;

/** The files of a docker archive that came, by their paths, and the links between these. */
export interface DockerFiles {
  readonly files: ReadonlyMap<string, Arrival>;
  readonly links: ReadonlyMap<string, string>;
}

/**
 * Makes the manifest that a docker archive has not.
 *
 * @throws {NotFoundError} when a file it names did not come
 * @throws {DataLossError} when a file is not what its name or the config says
 */
export async function manifestOf(
  provider: Provider,
  image: DockerImage,
  came: DockerFiles,
  call: CallOptions,
): Promise<Uint8Array> {
  const { digest, size } = fileAt(image.config, came);
  const [named] = /^[0-9a-f]{64}(?=\.json$)/.exec(image.config) ?? [];
  if (named !== undefined && digest !== `sha256:${named}`) {
    throw new DataLossError(`Cannot import ${image.config} of the archive: its digest is ${digest}`);
  }
  const config: Descriptor = { mediaType: MEDIA_TYPE_DOCKER_IMAGE_CONFIG, digest, size };
  const { rootfs } = parseImageConfig(await readDocument(provider, config, call));
  if (rootfs.diff_ids.length !== image.layers.length) {
    throw new DataLossError(
      `Cannot import the image of ${image.config}: it has ${image.layers.length} layers, but ${rootfs.diff_ids.length} diff ids`,
    );
  }
  const layers = image.layers.map((path, at): Descriptor => {
    const layer = fileAt(path, came);
    if (layer.compression === "none" && layer.digest !== rootfs.diff_ids[at]) {
      throw new DataLossError(
        `Cannot import layer ${path} of the archive: its digest is ${layer.digest}, expected ${rootfs.diff_ids[at]}`,
      );
    }
    return { mediaType: layerTypes[layer.compression], digest: layer.digest, size: layer.size };
  });
  const manifest: Manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE_DOCKER_MANIFEST, config, layers };
  return encodeManifest(manifest);
}

function fileAt(path: string, { files, links }: DockerFiles): Arrival {
  // A link leads to a file, or to the one link that leads there.
  const first = links.get(path) ?? path;
  const file = files.get(links.get(first) ?? first);
  if (file === undefined)
    throw new NotFoundError(`Cannot import the archive: it has no ${JSON.stringify(path.slice(0, 160))}`);
  return file;
}
