import { CheckpointOptionsSchema } from "../../api/types/runc/options/oci_pb.js";
import type { CallOptions } from "../../call-options.js";
import { undone } from "../../content/archive/incoming.js";
import { withDeadline } from "../../content/deadline.js";
import type { Store } from "../../content/store.js";
import { gcLabels } from "../../content/walk.js";
import { FailedPreconditionError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { encodeIndex } from "../../oci/image-index.js";
import { MEDIA_TYPE_INDEX, MEDIA_TYPE_LAYER } from "../../oci/media-types.js";
import { encodeSpec } from "../../oci/runtime-spec.js";
import { encodeAny, packDocument, packFields, RuntimeSpecType } from "../../typeurl.js";
import { CheckpointAnnotation } from "../annotations.js";
import { limitsOf } from "../archive/limits.js";
import { type ArchiveSource, type ReadArchiveOptions, readArchive } from "../archive/read.js";
import type { CheckpointDescription, CheckpointImage } from "../description.js";
import { type Checkpoint, checkpointIndex, parseCheckpoint } from "../document.js";
import { describe } from "../inspect/describe.js";
import { archiveAnnotations } from "../inspect/image-annotations.js";
import { CheckpointMediaType } from "../media-types.js";
import { layerOfRootfsDiff } from "../rootfs/to-layer.js";
import { type DumpFacts, dumpFacts } from "./dump-facts.js";
import { memberBody } from "./member-body.js";
import { type MendedSpec, mendSpec } from "./mend-spec.js";
import { contentName, withOwnFiles } from "./own-layer.js";
import { type ForeignSpecPolicy, type ImportNote, ImportNotes } from "./policy.js";
import { type SpooledParts, spoolParts } from "./spooled-parts.js";
import { StoreBlobs } from "./store-blobs.js";

const RUNTIME = "io.containerd.runc.v2";
const SNAPSHOTTER = "overlayfs";

/** How an archive is imported. */
export interface ImportArchiveOptions extends ReadArchiveOptions, CallOptions {
  /** What its spec may bring. */
  readonly policy?: ForeignSpecPolicy | undefined;
  /** Finds the base image, by whatever the archive says of it; undefined when it is not known. What is found is added to that. */
  readonly baseImage?: ((image: CheckpointImage) => Promise<CheckpointImage | undefined>) | undefined;
}

/** A checkpoint that was made of an archive. */
export interface ImportedCheckpoint extends Checkpoint {
  /** What of the archive did not come along. */
  readonly leftOut: readonly ImportNote[];
  /** What was changed so that containerd can restore it. */
  readonly mended: readonly ImportNote[];
  /** What usually confines a container and does not confine this one: it had no seccomp filter, or paths were not hidden from it. */
  readonly exposed: readonly ImportNote[];
}

/**
 * Makes a containerd checkpoint of an archive that Podman, CRI-O, containerd's CRI or the kubelet wrote: criu's images, a spec that
 * suits containerd, the changed files as a layer whose deletions are right, the base image by every reference there is. All else in
 * the archive is kept as it is, for `exportArchive` and `inspectCheckpoint`.
 *
 * What stood for the container's bind mounts on its old host becomes part of its writable layer, and so does what criu must be told,
 * such as how another runtime named its mounts: the checkpoint needs nothing on the daemon's host. Of a spec's other wishes only
 * those come along that the policy allows. What cannot be carried is refused; then nothing of it stays in the store, or, with
 * `lease`, nothing but what that holds.
 *
 * @example
 * ```ts
 * const checkpoint = await importArchive(createReadStream("checkpoint.tar"), store);
 * for (const { what, name, detail } of checkpoint.leftOut) console.log(what, name, detail);
 * ```
 * @throws {FailedPreconditionError} when it holds something that cannot be carried
 * @throws {InvalidArgumentError} when it has a member that must not be there, or is no checkpoint
 * @throws {DataLossError} when it is no archive, or damaged
 * @throws {ResourceExhaustedError} when a limit is passed
 * @throws {NotImplementedError} when the name of something in it is not UTF-8
 * @throws {DeadlineExceededError} when `timeoutMs` passed first
 * @throws {AbortedError} when somebody removed parts of it meanwhile, which a lease prevents
 */
export async function importArchive(
  source: ArchiveSource,
  store: Store,
  options: ImportArchiveOptions = {},
): Promise<ImportedCheckpoint> {
  const { signal, timeoutMs, lease } = options;
  return withDeadline("The import", { signal, timeoutMs, lease }, async (call) => {
    const blobs = new StoreBlobs(store, call);
    const parts = readArchive(source, { ...options, signal: call.signal });
    try {
      return await convert(await spoolParts(parts, blobs), store, blobs, options, call);
    } catch (reason) {
      throw await undone(reason, "blobs of the archive", () => blobs.undo());
    }
  });
}

async function convert(
  parts: SpooledParts,
  store: Store,
  blobs: StoreBlobs,
  options: ImportArchiveOptions,
  call: CallOptions,
): Promise<ImportedCheckpoint> {
  const notes = new ImportNotes();
  const { policy = {} } = options;
  const limits = limitsOf(options);
  const description = describe({ ...parts, spec: parts.spec?.document ?? {}, isDockerDirectory: false });
  const dump = await dumpFacts(store, parts.task, limits, call);
  requireCarriable(parts, dump, description);
  const mended = mendSpec(parts.spec?.bytes ?? new Uint8Array(), dump, parts, policy, notes);
  const image = { ...description.image, ...(await options.baseImage?.(description.image)) };
  const id = /^[\w.-]{1,76}$/.test(description.containerId ?? "") ? (description.containerId ?? "") : "imported";
  mended.spec.linux = { ...mended.spec.linux, cgroupsPath: `/default/${id}` };
  const diff = parts.rootfsDiff;
  const rw = withOwnFiles(
    diff === undefined
      ? layerOfRootfsDiff(undefined, parts.deletedFiles)
      : layerOf(parts, diff, description, store, options, call),
    {
      ...mended,
      content: (mount) => memberBody(store, parts.documents, contentName(mount), call),
    },
    { devices: policy.devices === true, limits, notes },
  );
  const rwLayer = await blobs.write("rw", rw, MEDIA_TYPE_LAYER);
  const task = parts.task;
  const spec = await writeSpec(blobs, mended);
  const criuOptions = await writeOptions(blobs, mended, dump);
  const index = checkpointIndex({
    containerId: id,
    createdAt: description.createdAt ?? parts.dumpedAt,
    image,
    runtime: RUNTIME,
    snapshotter: SNAPSHOTTER,
    rw: rwLayer,
    task,
    spec,
    criuOptions,
    others: [parts.documents],
    annotations: {
      ...archiveAnnotations(parts.image ?? {}),
      [CheckpointAnnotation.engine]: description.origin.engine,
      ...(mended.external.length === 0 ? {} : { [CheckpointAnnotation.externalNamespaces]: mended.external.join(",") }),
    },
  });
  const bytes = encodeIndex({ ...index, mediaType: MEDIA_TYPE_INDEX });
  const target = await blobs.write("index", [bytes], MEDIA_TYPE_INDEX);
  await store.update(target.digest, gcLabels(index.manifests), call);
  if (diff !== undefined) await blobs.drop(diff);
  await blobs.keep([rwLayer, task, spec, criuOptions, parts.documents, target]);
  return { ...parseCheckpoint(index, target), leftOut: notes.leftOut, mended: notes.mended, exposed: notes.exposed };
}

function layerOf(
  { deletedFiles }: SpooledParts,
  diff: Descriptor,
  { origin }: CheckpointDescription,
  store: Store,
  options: ImportArchiveOptions,
  call: CallOptions,
): AsyncIterable<Uint8Array> {
  const packed = store.read(diff, call);
  // containerd's is a layer already, whatever it is called; it never has a list.
  const isLayer = origin.engine === "containerd" && deletedFiles.length === 0;
  return isLayer ? packed : layerOfRootfsDiff(packed, deletedFiles, options);
}

function requireCarriable(parts: SpooledParts, dump: DumpFacts, { image, runtime }: CheckpointDescription): void {
  if (parts.image?.[CheckpointAnnotation.runtime] !== undefined) {
    throw new FailedPreconditionError(
      "Cannot import the archive: the image in it is a checkpoint of containerd's already",
      {
        hint: "Import it as an image.",
      },
    );
  }
  const why = !dump.isWhole
    ? `its dump is not of criu's making, or not whole (runtime ${JSON.stringify(runtime.name ?? "")})`
    : parts.spec === undefined
      ? "it says nothing of how its container is run: there is no spec.dump"
      : (image.name ?? image.digest ?? image.configDigest ?? image.chainId) === undefined
        ? "nothing in it says which image its container was made from"
        : undefined;
  if (why !== undefined) throw new FailedPreconditionError(`Cannot import the archive: ${why}`);
}

function writeSpec(blobs: StoreBlobs, { spec }: MendedSpec): Promise<Descriptor> {
  const any = packDocument(RuntimeSpecType.spec, encodeSpec(spec));
  return blobs.write("spec", [encodeAny(any)], CheckpointMediaType.spec);
}

function writeOptions(blobs: StoreBlobs, { spec }: MendedSpec, { hasTcp, hasFileLocks }: DumpFacts) {
  const asked = { openTcp: hasTcp, fileLocks: hasFileLocks, terminal: spec.process?.terminal ?? false };
  const any = packFields(CheckpointOptionsSchema, asked);
  return blobs.write("options", [encodeAny(any)], CheckpointMediaType.criuOptions);
}
