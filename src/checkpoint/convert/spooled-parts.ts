import { FailedPreconditionError } from "../../errors.js";
import type { Descriptor, Labels } from "../../oci/descriptor.js";
import type { JsonObject } from "../../oci/json.js";
import { MEDIA_TYPE_LAYER } from "../../oci/media-types.js";
import type { ArchivePart, BindMount, CriuPart } from "../archive/part.js";
import { type CriuLogFacts, criuLogFacts } from "../inspect/criu-log.js";
import { CheckpointMediaType } from "../media-types.js";
import type { GrowingBlob, StoreBlobs } from "./store-blobs.js";

/** What an archive held, its large parts in the store. */
export interface SpooledParts {
  /** criu's images as a flat tar. */
  readonly task: Descriptor;
  /** All else, as it was. */
  readonly documents: Descriptor;
  readonly rootfsDiff?: Descriptor;
  readonly deletedFiles: readonly string[];
  readonly config: JsonObject;
  readonly spec?: { readonly document: JsonObject; readonly bytes: Uint8Array };
  readonly status?: JsonObject;
  readonly image?: Labels;
  readonly criuLog?: CriuLogFacts;
  readonly bindMounts: readonly BindMount[];
  readonly volumes: ReadonlySet<string>;
  readonly hasShm: boolean;
  /** When the newest of criu's images was written. */
  readonly dumpedAt: Date;
}

/**
 * Reads an archive once and puts its parts into the store: memory does not grow with their size.
 *
 * @throws {FailedPreconditionError} when what it holds can be restored nowhere
 */
export async function spoolParts(parts: AsyncIterable<ArchivePart>, blobs: StoreBlobs): Promise<SpooledParts> {
  const task = await blobs.open("task");
  const documents = await blobs.open("documents");
  const found: { -readonly [K in keyof SpooledParts]?: SpooledParts[K] } = {};
  const volumes = new Set<string>();
  let [dumpedAt, images] = [new Date(0), 0];
  for await (const part of parts) {
    switch (part.kind) {
      case "criu":
        requireRestorable(part);
        images += 1;
        if (part.modifiedAt > dumpedAt) dumpedAt = part.modifiedAt;
        await task.addMember({ ...headerOf(part), name: part.image, size: part.size, body: () => part.body });
        continue;
      case "parent":
        throw new FailedPreconditionError(
          "Cannot import the archive: its dump builds on one before it, which is not in it",
          { hint: "Make a checkpoint that is whole: without --with-previous." },
        );
      case "rootfs-diff":
        found.rootfsDiff = await blobs.write("rootfs-diff", part.body, MEDIA_TYPE_LAYER);
        continue;
      case "image":
        found.image = part.annotations;
        continue;
      case "directory":
        continue;
      case "deleted-files":
        found.deletedFiles = part.paths;
        break;
      case "config":
        found.config = part.document;
        break;
      case "spec":
        found.spec = { document: part.document, bytes: await bytesOf(part.body) };
        break;
      case "status":
        found.status ??= part.document;
        break;
      case "bind-mounts":
        found.bindMounts = part.mounts;
        break;
      case "volume":
        volumes.add(part.volume);
        break;
      case "shm":
        found.hasShm = true;
        break;
      case "log":
      case "network":
      case "other":
      case "pod":
      case "stats":
        break;
    }
    await keep(part, documents, found);
  }
  if (images === 0) throw new FailedPreconditionError("Cannot import the archive: there is no dump of criu's in it");
  await Promise.all([task.endTar(), documents.endTar()]);
  return {
    deletedFiles: [],
    config: {},
    bindMounts: [],
    hasShm: false,
    ...found,
    volumes,
    dumpedAt,
    task: await blobs.close(task, CheckpointMediaType.task),
    documents: await blobs.close(documents, CheckpointMediaType.documents),
  };
}

/** A part goes into the tar of all that is neither memory nor files. */
async function keep(part: ArchivePart, documents: GrowingBlob, found: { criuLog?: CriuLogFacts }): Promise<void> {
  const { name, size } = part;
  if (part.kind !== "log" || part.of !== "criu") {
    await documents.addMember({ ...headerOf(part), name, size, body: () => part.body });
    return;
  }
  const head: Uint8Array[] = [];
  let bytes = 0;
  async function* told(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of part.body) {
      if (bytes < 16 * 1024) head.push(Uint8Array.from(chunk));
      bytes += chunk.length;
      yield chunk;
    }
  }
  await documents.addMember({ ...headerOf(part), name, size, body: told });
  found.criuLog ??= await criuLogFacts(
    (async function* () {
      yield* head;
    })(),
  );
}

function requireRestorable({ isPreDump, checkpoint }: CriuPart): void {
  if (isPreDump) {
    throw new FailedPreconditionError(
      "Cannot import the archive: what it holds was dumped before the checkpoint itself, and is not whole",
    );
  }
  if (checkpoint !== undefined) {
    throw new FailedPreconditionError(
      "Cannot import a directory of Docker's: neither its spec nor its files nor its image are in it",
      { hint: "While the container is there, checkpoint it through containerd." },
    );
  }
}

function headerOf({ mode, modifiedAt }: ArchivePart) {
  return { mode, modifiedAt };
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
