import type { CallOptions } from "../../call-options.js";
import type { Provider } from "../../content/store.js";
import { FailedPreconditionError, InvalidArgumentError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { digestOf } from "../../oci/digest.js";
import type { JsonObject } from "../../oci/json.js";
import { compress } from "../../tar/compress.js";
import type { Compression } from "../../tar/decompress.js";
import { type TarFile, type TarStreamFile, writeTar } from "../../tar/tar.js";
import { type ArchiveLimits, limitsOf, type WholeLimits } from "../archive/limits.js";
import { type Checkpoint, checkpointName } from "../document.js";
import { textIn } from "../inspect/loose-json.js";
import type { TarMember } from "../tar-members.js";
import { criDocuments, crioDocuments } from "./cri-documents.js";
import { type ExportedCheckpoint, readExported, readPart } from "./exported.js";
import { type ExportedDiff, exportedDiff, exportedLayer } from "./exported-diff.js";
import { mountsElsewhere, requireNothingMounted } from "./exported-mounts.js";
import { originalDocument } from "./original-document.js";
import { type ExportedName, podmanDocuments } from "./podman-documents.js";

/** An engine that restores from archives. */
export type ArchiveEngine = "podman" | "cri-o" | "containerd-cri";

/** How an archive is made. The limits are those of the layers that are read for it; how well these are packed has none of its own. */
export interface ExportArchiveOptions extends CallOptions, ArchiveLimits {
  /** Who is to restore from it. */
  readonly engine: ArchiveEngine;
  /** How it is packed; not at all when absent. CRI-O and containerd's CRI take it only so. */
  readonly compression?: Compression | undefined;
  /**
   * The runtime Podman is to restore with; `runc` when absent. What it needs to know of another runtime's dump is told to criu. What
   * was imported from Podman goes back with the one it had.
   */
  readonly runtime?: "runc" | "crun" | undefined;
  /** What the container is to be called; as it was when absent, and where it goes back to the engine it came from. */
  readonly name?: string | undefined;
  /**
   * The base image, or its manifest, in the provider. By its config Podman knows the image; of its layers is told what a directory
   * that was made anew hides. Default: the one in the checkpoint.
   */
  readonly baseImage?: Descriptor | undefined;
}

const mainEngines = { podman: "podman", "cri-o": "cri-o", "containerd-cri": "containerd" } as const;
const isId = /^[0-9a-f]{64}$/;

/**
 * Makes of a checkpoint the archive an engine restores from: `podman container restore --import`, or a CRI's `CreateContainer`. One
 * that was imported from that engine's archive gets all its documents back as they were. Nothing is held in memory; changed files are
 * read twice, because their size stands before them. An archive that ends with an error is worthless.
 *
 * @example
 * ```ts
 * const image = await client.images.get("counter:frozen");
 * const checkpoint = await readCheckpoint(client.content, image.target);
 * for await (const chunk of exportArchive(checkpoint, client.content, { engine: "podman" })) socket.write(chunk);
 * ```
 * @throws {FailedPreconditionError} when it holds no memory, or something the engine cannot restore, such as a volume's files; before the first byte
 * @throws {NotImplementedError} when it is to be packed as this Node.js cannot; before the first byte
 * @throws {InvalidArgumentError} when the engine does not take it packed, or a name or runtime cannot be chosen; before the first byte
 * @throws {NotFoundError} when a part, or the base image, is not in the provider
 * @throws {DataLossError} when content is damaged
 * @throws {ResourceExhaustedError} when a layer passes a limit
 */
export async function* exportArchive(
  checkpoint: Checkpoint,
  provider: Provider,
  options: ExportArchiveOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { engine, compression = "none", signal, timeoutMs, lease } = options;
  if (engine !== "podman" && compression !== "none") {
    throw new InvalidArgumentError(
      `Cannot pack an archive for ${engine} with ${compression}: it takes plain ones only`,
    );
  }
  if (engine !== "podman" && options.runtime !== undefined) {
    throw new InvalidArgumentError(
      `Cannot choose runtime ${JSON.stringify(options.runtime)} for ${engine}: only Podman is told one`,
    );
  }
  const call: CallOptions = {
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(lease === undefined ? {} : { lease }),
  };
  // The store vouches for what it holds: how much is read is bounded, not how well it was packed.
  const limits = limitsOf({ ...options, maxRatio: options.maxRatio ?? Number.POSITIVE_INFINITY });
  const exported = await readExported(checkpoint, provider, options.baseImage, limits, call);
  const isSame = exported.documents !== undefined && checkpoint.origin.engine === mainEngines[engine];
  if (isSame) requireAsItWas(checkpoint, await originalDocument(exported, "config.dump", limits), options);
  const diff = await (engine === "containerd-cri" ? exportedLayer : exportedDiff)(exported, checkpoint.rw, limits);
  const documents = isSame ? undefined : await documentsFor(exported, diff, limits, options);
  yield* compress(writeTar(members(exported, documents, diff)), compression);
}

async function documentsFor(
  exported: ExportedCheckpoint,
  diff: ExportedDiff,
  limits: WholeLimits,
  { engine, runtime = "runc", name }: ExportArchiveOptions,
) {
  requireListed(exported, diff);
  requireNothingMounted(exported, diff.own, engine);
  const named = nameOf(exported.checkpoint, name);
  if (engine === "podman") return podmanDocuments(exported, named, runtime);
  const mounts = mountsElsewhere(exported, diff.own, await originalDocument(exported, "spec.dump", limits));
  return engine === "cri-o" ? crioDocuments(exported, mounts, named) : criDocuments(exported, mounts, named);
}

/** What goes back to its engine says what it is called itself. */
function requireAsItWas(
  checkpoint: Checkpoint,
  config: JsonObject,
  { engine, name, runtime }: ExportArchiveOptions,
): void {
  for (const [option, wanted] of Object.entries({ name, runtime })) {
    const said = textIn(config, option);
    if (wanted === undefined || wanted === said?.slice(option === "runtime" ? said.lastIndexOf("/") + 1 : 0)) continue;
    throw new InvalidArgumentError(
      `Cannot export ${checkpointName(checkpoint)} for ${engine} with ${option} ${JSON.stringify(wanted)}: it came from there, and goes back with documents that say ${JSON.stringify(said ?? "")}`,
      {
        hint: `Leave options.${option} out${option === "name" ? "; the engine can name it when it restores it" : ""}.`,
      },
    );
  }
}

function nameOf({ containerId = "", target }: Checkpoint, wanted: string | undefined): ExportedName {
  const name = (wanted ?? containerId).replaceAll(/[^\w.-]+/g, "-").replace(/^[^a-zA-Z0-9]+/, "");
  const id = digestOf(new TextEncoder().encode(`${target.digest} ${wanted ?? containerId}`)).replace("sha256:", "");
  return {
    id: wanted === undefined && isId.test(containerId) ? containerId : id,
    name: name === "" ? `checkpoint-${id.slice(0, 12)}` : name,
  };
}

/** Engines delete what is on the list after they unpacked the rest: a directory made anew would be lost again. */
function requireListed({ checkpoint, base }: ExportedCheckpoint, { deletedFiles, isEmptied }: ExportedDiff): void {
  if (base !== undefined || !isEmptied) return;
  throw new FailedPreconditionError(
    `Cannot export ${checkpointName(checkpoint)}: directories in it were made anew (${deletedFiles.slice(0, 3).join(", ")}, …), and without the base image nobody can say what they hide`,
    { hint: "Give the base image, which must be in the provider: options.baseImage." },
  );
}

async function* members(
  exported: ExportedCheckpoint,
  documents: ReadonlyMap<string, string> | undefined,
  diff: ExportedDiff,
): AsyncGenerator<TarFile | TarStreamFile, void, undefined> {
  const { checkpoint, task, images } = exported;
  const modifiedAt = checkpoint.createdAt ?? new Date(0);
  const file = (name: string, size: number, body: () => AsyncIterable<Uint8Array>): TarStreamFile => {
    return { name, size, body, mode: 0o600, modifiedAt };
  };
  const content = (tar: Descriptor, member: TarMember) => () => readPart(exported, tar, member);
  const text = (name: string, value: string): TarFile => {
    return { name, body: new TextEncoder().encode(value), mode: 0o600, modifiedAt };
  };
  yield { name: "artifacts/", type: "directory", mode: 0o755, modifiedAt };
  yield { name: "checkpoint/", type: "directory", mode: 0o700, modifiedAt };
  for (const image of images) yield file(`checkpoint/${image.name}`, image.size, content(task, image));
  for (const [name, value] of documents ?? []) yield text(name, value);
  for (const member of exported.documents?.members ?? []) {
    if (documents === undefined ? member.name === "deleted.files" : !isCarried(member.name)) continue;
    const descriptor = exported.documents?.descriptor;
    if (descriptor !== undefined) yield file(member.name, member.size, content(descriptor, member));
  }
  if (diff.size !== undefined) yield file("rootfs-diff.tar", diff.size, diff.open);
  if (diff.deletedFiles.length > 0) yield text("deleted.files", JSON.stringify(diff.deletedFiles));
}

/** What of one engine's documents another one takes, too. */
function isCarried(name: string): boolean {
  return name === "devshm-checkpoint.tar" || name === "stats-dump";
}
