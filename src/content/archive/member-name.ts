import { DataLossError, InvalidArgumentError, NotImplementedError } from "../../errors.js";
import { algorithmOf, type Digest, parseDigest } from "../../oci/digest.js";
import type { TarHeader } from "../../tar/tar.js";

/** What a member of an image archive is, by its name alone. */
export type Member =
  | { readonly kind: "layout" | "index" | "docker-manifest" | "nothing" }
  | { readonly kind: "blob"; readonly digest: Digest }
  /** A config or layer of a docker archive, which is named by its path. */
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "link"; readonly path: string; readonly to: string };

/** The file that says which version of the image layout this is. */
export const LAYOUT_FILE = "oci-layout";
/** The file that says which images there are. */
export const INDEX_FILE = "index.json";
/** The file in which a docker archive says which images there are. */
export const DOCKER_MANIFEST_FILE = "manifest.json";

const documents: Readonly<Record<string, "layout" | "index" | "docker-manifest" | "nothing">> = {
  [LAYOUT_FILE]: "layout",
  [INDEX_FILE]: "index",
  [DOCKER_MANIFEST_FILE]: "docker-manifest",
  // Names and tags once more, as Docker had them before its manifest.
  repositories: "nothing",
};
const directory = /^(?:\.|blobs(?:\/[a-z0-9+._-]+)?|[0-9a-f]{64})$/;
const dockerFile = /^(?:[0-9a-f]{64}\.(?:json|tar)|[0-9a-f]{64}\/layer\.tar)$/;
const dockerLeftover = /^[0-9a-f]{64}\/(?:json|VERSION)$/;
const dockerLayer = /^[0-9a-f]{64}\/layer\.tar$/;

/** Where a blob lies in an image layout. */
export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/**
 * Reads a member's name. There are only the names that a layout or a docker archive has, so none can lead elsewhere.
 *
 * @throws {InvalidArgumentError} when it is another name, or neither a file nor a directory
 */
export function parseMember({ name, type, linkName = "" }: TarHeader): { readonly path: string } & Member {
  const path = name.replace(/^\.\/(?=.)/, "").replace(/(?<=.)\/$/, "");
  if (type === "directory") {
    if (!directory.test(path)) throw foreign(name, "no directory of an image archive has that name");
    return { kind: "nothing", path };
  }
  if (type === "symlink" && dockerLayer.test(path)) {
    // Docker wrote a layer that several images share once, and pointed to it from the others.
    const to = linkName.replace(/^\.\.\//, "");
    if (to === linkName || !dockerFile.test(to)) throw foreign(name, "it is a link that leads elsewhere");
    return { kind: "link", path, to };
  }
  if (type !== "file") throw foreign(name, `it is a ${type}, expected a file`);
  return { path, ...parseFile(name, path) };
}

function parseFile(name: string, path: string): Member {
  if (Object.hasOwn(documents, path)) return { kind: documents[path] as "layout" };
  if (dockerLeftover.test(path)) return { kind: "nothing" };
  if (dockerFile.test(path)) return { kind: "file", path };
  const [blobs, algorithm, encoded, ...rest] = path.split("/");
  if (blobs !== "blobs" || algorithm === undefined || encoded === undefined || rest.length > 0) {
    throw foreign(name, "no file of an image archive has that name");
  }
  const digest = parseDigest(`${algorithm}:${encoded}`);
  // One that cannot be checked is refused before it is written.
  algorithmOf(digest);
  return { kind: "blob", digest };
}

function foreign(name: string, why: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot import member ${JSON.stringify(name.slice(0, 160))} of the archive: ${why}`);
}

/**
 * Checks the file that says which version of the layout this is.
 *
 * @throws {NotImplementedError} when it is one that is not known
 * @throws {DataLossError} when it does not say
 */
export function checkLayout(version: unknown): void {
  if (typeof version !== "string")
    throw new DataLossError("Cannot import the archive: its oci-layout names no version");
  if (version !== LAYOUT_VERSION) {
    throw new NotImplementedError(
      `Cannot import the archive: its layout is of version ${JSON.stringify(version.slice(0, 40))}, expected ${LAYOUT_VERSION}`,
    );
  }
}

/** The one version of the image layout there is. */
export const LAYOUT_VERSION = "1.0.0";

/** The extended attribute in which a document of an archive has its digest. */
export const DIGEST_ATTRIBUTE = "user.containerd-client.digest";
