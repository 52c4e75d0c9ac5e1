import type { CallOptions } from "../../call-options.js";
import { InvalidArgumentError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { type Digest, digestOf } from "../../oci/digest.js";
import { encodeIndex } from "../../oci/image-index.js";
import { MEDIA_TYPE_INDEX } from "../../oci/media-types.js";
import { type TarFile, type TarStreamFile, writeTar } from "../../tar/tar.js";
import { toListener } from "../listener.js";
import { type AnyProvider, labelsWhenPresent } from "../presence.js";
import { dockerManifest } from "./docker-manifest.js";
import { type ArchiveImage, namedDescriptor } from "./image-name.js";
import {
  blobPath,
  DIGEST_ATTRIBUTE,
  DOCKER_MANIFEST_FILE,
  INDEX_FILE,
  LAYOUT_FILE,
  LAYOUT_VERSION,
} from "./member-name.js";
import { type Selected, type Selection, selectBlobs } from "./selection.js";

/** How far an export or an import is. */
export interface ArchiveProgress {
  /** The blob under way; absent while its digest is not known yet. */
  readonly digest?: Digest | undefined;
  /** Bytes of it so far. */
  readonly bytes: number;
  /** Bytes it has. */
  readonly size: number;
}

/** What is exported, and how. */
export interface ExportArchiveOptions extends Selection, CallOptions {
  /**
   * Adds the `manifest.json` that `docker load` reads, for images that have one platform's manifest in the archive. Default: true.
   */
  readonly dockerManifest?: boolean | undefined;
  /** Told after each chunk. */
  readonly onProgress?: ((progress: ArchiveProgress) => void) | undefined;
}

/**
 * Writes images, whatever their graph, as an OCI archive: a tar with an image layout in it. Checkpoints go like images, with the base
 * image they refer to. The same images give the same bytes. All that is meant is looked for before the first byte is yielded;
 * a blob that turns out to be damaged on the way ends the archive with an error, so keep nothing that did not come to its end.
 * `timeoutMs` is that of each call to the provider.
 *
 * @example
 * ```ts
 * const archive = exportArchive(client.content, [{ name: image.name, target: image.target }]);
 * await pipeline(archive, createWriteStream("redis.tar"));
 * ```
 * @throws {NotFoundError} when something that is meant is not there
 * @throws {DataLossError} when a blob's bytes are not what its descriptor says
 * @throws {InvalidArgumentError} when there is no image, or a document cannot be parsed
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
 */
export async function* exportArchive(
  provider: AnyProvider,
  images: readonly ArchiveImage[],
  options: ExportArchiveOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const {
    dockerManifest: withDocker = true,
    onProgress,
    platforms,
    skipMissing,
    skipNonDistributable,
    skip,
    ...call
  } = options;
  const tell = toListener(onProgress);
  if (images.length === 0) throw new InvalidArgumentError("Cannot export an archive of no images");
  const roots = images.map(({ target }) => target);
  const selection = { platforms, skipMissing, skipNonDistributable, skip };
  const isThere = async (descriptor: Descriptor): Promise<boolean> =>
    (await labelsWhenPresent(provider, descriptor, call)) !== undefined;
  const selected = await selectBlobs(provider, roots, selection, isThere, call);
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests: images.map(namedDescriptor) } as const;
  const docker = withDocker ? dockerManifest(images, selected) : undefined;
  yield* writeTar(
    members([
      document(LAYOUT_FILE, new TextEncoder().encode(JSON.stringify({ imageLayoutVersion: LAYOUT_VERSION }))),
      document(INDEX_FILE, encodeIndex(index)),
      ...(docker === undefined ? [] : [document(DOCKER_MANIFEST_FILE, docker)]),
    ]),
  );

  /** Documents first: who reads the archive then knows early what will come. */
  async function* members(documents: readonly TarFile[]): AsyncGenerator<TarFile | TarStreamFile, void, undefined> {
    yield* documents;
    for (const { digest, size } of blobsOf(selected))
      yield { name: blobPath(digest), size, body: () => body(digest, size) };
  }

  async function* body(digest: Digest, size: number): AsyncGenerator<Uint8Array, void, undefined> {
    let bytes = 0;
    for await (const chunk of provider.read({ digest, size }, call)) {
      bytes += chunk.length;
      yield chunk;
      tell({ digest, bytes, size });
    }
  }
}

/** A document has no digest to its name, as blobs have: an extended attribute says it to who imports. */
function document(name: string, body: Uint8Array): TarFile {
  return { name, body, xattrs: new Map([[DIGEST_ATTRIBUTE, new TextEncoder().encode(digestOf(body))]]) };
}

function blobsOf(selected: readonly Selected[]): readonly { readonly digest: Digest; readonly size: number }[] {
  return [...new Map(selected.map(({ descriptor }) => [descriptor.digest, descriptor])).values()];
}
