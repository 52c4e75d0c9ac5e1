import type { CallOptions } from "../../call-options.js";
import { DataLossError, InvalidArgumentError, ResourceExhaustedError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { type Digest, digestOf } from "../../oci/digest.js";
import { parseIndex } from "../../oci/image-index.js";
import { MAX_DOCUMENT_SIZE, parseJsonObject } from "../../oci/json.js";
import { isManifestType, MEDIA_TYPE_DOCKER_MANIFEST, MEDIA_TYPE_INDEX } from "../../oci/media-types.js";
import type { TarEntry } from "../../tar/tar.js";
import { keep } from "../copy-blob.js";
import type { Store } from "../store.js";
import { walk } from "../walk.js";
import { manifestOf } from "./docker-image.js";
import { checkAgreement, type DockerImage, parseDockerManifest } from "./docker-manifest.js";
import { type ArchiveImage, imageOf } from "./image-name.js";
import type { Arrival, Incoming } from "./incoming.js";
import { checkLayout, DIGEST_ATTRIBUTE, type Member, parseMember } from "./member-name.js";
import { type Selection, selectBlobs } from "./selection.js";

const MOST_IMAGES = 1_000;

/** What is known of an archive while its members come. */
export class Importing {
  readonly #store: Store;
  readonly #incoming: Incoming;
  readonly #call: CallOptions;
  readonly #paths = new Set<string>();
  readonly #files = new Map<string, Arrival>();
  readonly #links = new Map<string, string>();
  #docker: readonly DockerImage[] | undefined;
  readonly #documents = new Map<string, Uint8Array>();

  constructor(store: Store, incoming: Incoming, call: CallOptions) {
    this.#store = store;
    this.#incoming = incoming;
    this.#call = call;
  }

  async take(entry: TarEntry): Promise<void> {
    const member = parseMember(entry);
    if (entry.type !== "directory") {
      if (this.#paths.has(member.path)) {
        throw new InvalidArgumentError(`Cannot import the archive: ${JSON.stringify(member.path)} is there twice`);
      }
      this.#paths.add(member.path);
    }
    await this.#takeMember(entry, member);
  }

  async #takeMember(entry: TarEntry, member: Member): Promise<void> {
    switch (member.kind) {
      case "blob":
        await this.#incoming.take(member.digest, entry.size, entry.body);
        return;
      case "file": {
        const arrival = await this.#incoming.takeUnknown(member.path, entry.size, entry.body);
        this.#files.set(member.path, arrival);
        return;
      }
      case "link":
        this.#links.set(member.path, member.to);
        return;
      case "nothing":
        return;
      case "layout":
      case "index":
      case "docker-manifest":
        this.#documents.set(member.kind, await documentOf(entry));
    }
  }

  /** The images, once all members came; as one, when the index itself is meant. */
  async images(asIndex: boolean): Promise<readonly ArchiveImage[]> {
    const layout = this.#documents.get("layout");
    const index = this.#documents.get("index");
    const docker = this.#documents.get("docker-manifest");
    if (layout !== undefined) checkLayout(parseJsonObject(layout, "oci-layout")["imageLayoutVersion"]);
    this.#docker = docker === undefined ? undefined : parseDockerManifest(docker);
    if (index === undefined) {
      if (this.#docker === undefined) {
        throw new DataLossError("Cannot import the archive: it has neither an index.json nor a manifest.json");
      }
      return this.#dockerImages(this.#docker);
    }
    if (layout === undefined)
      throw new DataLossError("Cannot import the archive: it has an index.json, but no oci-layout");
    const images = limited(parseIndex(index).manifests).map(imageOf);
    if (images.length === 0) throw new InvalidArgumentError("Cannot import the archive: its index.json names no image");
    return asIndex ? [{ target: await this.#write(MEDIA_TYPE_INDEX, index) }] : images;
  }

  /**
   * Looks that everything that is meant is there, and labels it from below.
   *
   * @returns the digests of what is meant
   */
  async keep(images: readonly ArchiveImage[], selection: Selection): Promise<ReadonlySet<Digest>> {
    const roots = images.map(({ target }) => target);
    const isThere = (descriptor: Descriptor) => this.#isThere(descriptor);
    const selected = await selectBlobs(this.#store, roots, selection, isThere, this.#call);
    if (this.#docker !== undefined && this.#documents.has("index")) {
      await checkAgreement(limited(this.#docker), images, (target) => this.#manifestsOf(target));
    }
    for (const { descriptor, labels } of selected.toReversed()) {
      await keep(this.#store, descriptor, { labels, writing: this.#call });
    }
    return new Set(selected.map(({ descriptor }) => descriptor.digest));
  }

  async #dockerImages(named: readonly DockerImage[]): Promise<readonly ArchiveImage[]> {
    const images: ArchiveImage[] = [];
    for (const image of limited(named)) {
      const bytes = await manifestOf(this.#store, image, { files: this.#files, links: this.#links }, this.#call);
      const target = await this.#write(MEDIA_TYPE_DOCKER_MANIFEST, bytes);
      if (image.names.length === 0) images.push({ target });
      for (const name of image.names) images.push({ target, name });
    }
    return images;
  }

  async #write(mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
    const digest = digestOf(bytes);
    await this.#incoming.take(digest, bytes.length, once(bytes));
    return { mediaType, digest, size: bytes.length };
  }

  /** What the manifests of an image refer to, as far as their documents came. */
  async #manifestsOf(target: Descriptor): Promise<readonly (readonly Descriptor[])[]> {
    const below = new Map<Digest, Descriptor[]>();
    const skip = ({ descriptor }: { readonly descriptor: Descriptor }) => !this.#incoming.sizes.has(descriptor.digest);
    for await (const { descriptor, parent } of walk(this.#store, target, { ...this.#call, skip })) {
      if (parent === undefined || !isManifestType(parent.mediaType)) continue;
      below.set(parent.digest, [...(below.get(parent.digest) ?? []), descriptor]);
    }
    return [...below.values()];
  }

  async #isThere({ digest, size }: Descriptor): Promise<boolean> {
    const came = this.#incoming.sizes.get(digest);
    if (came !== undefined && came !== size) {
      throw new DataLossError(`Cannot import ${digest}: it has ${came} bytes, expected ${size}`);
    }
    return came !== undefined || this.#incoming.hold(digest);
  }
}

/** For each of them documents are read, and a record is made. */
function limited<T>(images: readonly T[]): readonly T[] {
  if (images.length <= MOST_IMAGES) return images;
  throw new ResourceExhaustedError(
    `Cannot import the archive: it names ${images.length} images, at most ${MOST_IMAGES} are taken`,
  );
}

/** A document is held in memory: it is small, or refused. */
async function documentOf({ name, size, body, xattrs }: TarEntry): Promise<Uint8Array> {
  if (size > MAX_DOCUMENT_SIZE) {
    throw new ResourceExhaustedError(
      `Cannot import ${name}: it has ${size} bytes, at most ${MAX_DOCUMENT_SIZE} are taken`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const attribute = xattrs?.get(DIGEST_ATTRIBUTE);
  if (attribute !== undefined && Buffer.from(attribute).toString("latin1") !== digestOf(bytes)) {
    throw new DataLossError(`Cannot import ${name}: it is not as it was written, its digest is ${digestOf(bytes)}`);
  }
  return bytes;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
