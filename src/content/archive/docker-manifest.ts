import { DataLossError, InvalidArgumentError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import type { Digest } from "../../oci/digest.js";
import { expectObject, optionalString, optionalStrings } from "../../oci/json.js";
import { isConfigType, isManifestType } from "../../oci/media-types.js";
import { type ArchiveImage, dockerTag, nameOfDockerTag } from "./image-name.js";
import { blobPath, DOCKER_MANIFEST_FILE, INDEX_FILE } from "./member-name.js";
import { isDocument, type Selected } from "./selection.js";

/** An image as a docker archive's manifest names it: by paths in the archive. */
export interface DockerImage {
  /** The path of its config. */
  readonly config: string;
  /** The paths of its layers, lowest first. */
  readonly layers: readonly string[];
  /** Its whole names. */
  readonly names: readonly string[];
}

/**
 * The manifest of a docker archive for images of an OCI archive; undefined when it would name none. It can name one platform's
 * image only, and no checkpoints.
 *
 * @see https://github.com/moby/docker-image-spec/blob/v1.3.1/v1.2.md#combined-image-json--filesystem-changeset-format
 */
export function dockerManifest(images: readonly ArchiveImage[], selected: readonly Selected[]): Uint8Array | undefined {
  const byDigest = new Map(selected.map((one) => [one.descriptor.digest, one]));
  const entries = new Map<string, { Config: string; RepoTags: string[]; Layers: string[] }>();
  for (const { name, target } of images) {
    const [manifest, ...others] = manifestsBelow(target, byDigest);
    if (manifest === undefined || others.length > 0) continue;
    const [config, ...layers] = manifest.children;
    if (config === undefined || !isConfigType(config.mediaType)) continue;
    const entry = entries.get(manifest.descriptor.digest) ?? {
      Config: blobPath(config.digest),
      RepoTags: [],
      Layers: layers.map(({ digest }) => blobPath(digest)),
    };
    const tag = name === undefined ? undefined : dockerTag(name);
    if (tag !== undefined) entry.RepoTags.push(tag);
    entries.set(manifest.descriptor.digest, entry);
  }
  return entries.size === 0 ? undefined : new TextEncoder().encode(JSON.stringify([...entries.values()]));
}

/** The manifests of an image; none for a checkpoint, whose base image is not what it is. */
function manifestsBelow(target: Descriptor, byDigest: ReadonlyMap<string, Selected>): readonly Selected[] {
  const one = byDigest.get(target.digest);
  if (one === undefined) return [];
  if (isManifestType(target.mediaType)) return [one];
  if (!one.children.every(isDocument)) return [];
  return one.children.flatMap((child) => manifestsBelow(child, byDigest));
}

/**
 * Reads the manifest of a docker archive.
 *
 * @throws {InvalidArgumentError} when it is not one
 */
export function parseDockerManifest(bytes: Uint8Array): readonly DockerImage[] {
  const list = parseList(bytes);
  if (list.length === 0)
    throw new InvalidArgumentError(`Cannot import the archive: its ${DOCKER_MANIFEST_FILE} names no image`);
  return list.map((item) => {
    const image = expectObject(item, DOCKER_MANIFEST_FILE);
    const config = optionalString(image, "Config", DOCKER_MANIFEST_FILE);
    if (config === undefined)
      throw new InvalidArgumentError(`Cannot parse ${DOCKER_MANIFEST_FILE}: an image has no Config`);
    return {
      config,
      layers: optionalStrings(image, "Layers", DOCKER_MANIFEST_FILE) ?? [],
      names: (optionalStrings(image, "RepoTags", DOCKER_MANIFEST_FILE) ?? []).map(nameOfDockerTag),
    };
  });
}

function parseList(bytes: Uint8Array): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new InvalidArgumentError(`Cannot parse ${DOCKER_MANIFEST_FILE}: expected JSON`, { cause });
  }
  if (!Array.isArray(value)) throw new InvalidArgumentError(`Cannot parse ${DOCKER_MANIFEST_FILE}: expected a list`);
  return value;
}

/**
 * Checks that who reads the docker archive's manifest sees the same images as who reads the index: everything it names must
 * be one of the index's images, and where both have a name it must stand for the same.
 *
 * @param manifestsOf the manifests of an image, as far as they are in the archive
 * @throws {DataLossError} when it does not
 */
export async function checkAgreement(
  docker: readonly DockerImage[],
  images: readonly ArchiveImage[],
  manifestsOf: (target: Descriptor) => Promise<readonly (readonly Descriptor[])[]>,
): Promise<void> {
  const contents = new Map<Digest, ReadonlySet<string>>();
  for (const { target } of images) {
    if (contents.has(target.digest)) continue;
    const manifests = await manifestsOf(target);
    const paths = manifests.map((parts) => parts.map(({ digest }) => blobPath(digest)).join("\n"));
    contents.set(target.digest, new Set(paths));
  }
  for (const { config, layers, names } of docker) {
    const wanted = [config, ...layers].join("\n");
    const holders = images.filter(({ target }) => contents.get(target.digest)?.has(wanted));
    if (holders.length === 0)
      throw conflict(`the image of config ${JSON.stringify(config.slice(0, 160))} is not in it`);
    const other = images.find(({ name }) => name !== undefined && names.includes(name));
    if (other !== undefined && !holders.some(({ name }) => name === other.name)) {
      throw conflict(`${JSON.stringify(other.name)} is not the same image in both`);
    }
  }
}

function conflict(why: string): DataLossError {
  return new DataLossError(
    `Cannot import the archive: its ${DOCKER_MANIFEST_FILE} contradicts its ${INDEX_FILE}: ${why}`,
  );
}
