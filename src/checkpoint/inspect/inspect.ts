import type { Provider } from "../../content/store.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { type CheckpointPartsOptions, readCheckpointParts } from "../archive/checkpoint-parts.js";
import { type ArchiveLimits, limitsOf } from "../archive/limits.js";
import type { ArchivePart } from "../archive/part.js";
import { type ArchiveSource, type ReadArchiveOptions, readArchive } from "../archive/read.js";
import { Collected } from "./collected.js";
import type { CheckpointInspection } from "./inspection.js";

/** What is meant, where there is more than one thing to look at. */
export interface InspectOptions extends ArchiveLimits {
  /** The checkpoint's name, in a directory of Docker's that has several. */
  readonly checkpoint?: string | undefined;
  /** The dumps before this one, nearest first: with them arguments and environment are known also where they did not change. */
  readonly previous?: readonly ArchiveSource[] | undefined;
  /** Ends the reading. */
  readonly signal?: AbortSignal | undefined;
}

/** How an archive is inspected. */
export interface InspectArchiveOptions extends InspectOptions, ReadArchiveOptions {}

/** How a checkpoint in a provider is inspected. */
export interface InspectCheckpointOptions extends InspectOptions, CheckpointPartsOptions {}

/**
 * Says what a checkpoint archive tells about its container: what it was, who made it and when, how large its parts are, its
 * processes with all they had open, its mounts; no engine and no criu is needed. It is read as `readArchive` reads it, in one
 * pass and in memory that does not grow with its size.
 *
 * Arguments and environment lie in the processes' memory. Where that comes before the images that say where in it they are, as
 * in directories Docker wrote, a second pass may be needed: give a function that opens the archive again.
 *
 * @example
 * ```ts
 * const { origin, processes } = await inspectArchive(() => createReadStream("checkpoint.tar"));
 * console.log(origin.engine, processes[0]?.args);
 * ```
 * @throws {InvalidArgumentError} when it is no checkpoint, or has members it must not have, or several checkpoints
 * @throws {DataLossError} when it is no archive, or damaged
 * @throws {ResourceExhaustedError} when a limit is passed
 * @throws {NotFoundError} when it has no image or checkpoint of that name
 */
export async function inspectArchive(
  source: ArchiveSource,
  options: InspectArchiveOptions = {},
): Promise<CheckpointInspection> {
  if (typeof source === "function") return inspectParts(() => readArchive(source, options), options);
  return inspectParts(readArchive(source, options), options);
}

/**
 * Says what a checkpoint in a provider tells about its container: containerd's index of parts, or the image of one layer that Podman,
 * CRI-O and `checkpointctl build` make of an archive.
 *
 * @example
 * ```ts
 * const image = await client.images.get("checkpoint:1");
 * const { processes } = await inspectCheckpoint(client.content, image.target);
 * ```
 * @throws {InvalidArgumentError} when the target is no checkpoint
 * @throws {NotFoundError} when the provider does not have a part
 * @throws {DataLossError} when bytes are not what a descriptor says, or damaged
 * @throws {ResourceExhaustedError} when a limit is passed
 */
export async function inspectCheckpoint(
  provider: Provider,
  target: Descriptor,
  options: InspectCheckpointOptions = {},
): Promise<CheckpointInspection> {
  return inspectParts(() => readCheckpointParts(provider, target, options), options);
}

/**
 * Says what the parts of a checkpoint tell about its container, wherever they come from, such as from files of a directory.
 *
 * @throws {InvalidArgumentError} when they are no checkpoint, or several
 * @throws {DataLossError} when one is damaged
 * @throws {ResourceExhaustedError} when a limit is passed
 */
export async function inspectParts(
  parts: AsyncIterable<ArchivePart> | (() => AsyncIterable<ArchivePart>),
  options: InspectOptions = {},
): Promise<CheckpointInspection> {
  const limits = limitsOf(options);
  const collected = new Collected(limits, options.checkpoint);
  for await (const part of typeof parts === "function" ? parts() : parts) await collected.add(part);
  if (typeof parts === "function" && collected.isIncomplete) {
    for await (const part of parts()) await collected.addPages(part);
  }
  const previous = [];
  for (const source of options.previous ?? []) {
    const dump = collected.previous();
    for await (const part of readArchive(source, { ...limits, signal: options.signal })) {
      if (part.kind === "criu") await dump.add(part);
    }
    previous.push(dump);
  }
  return collected.inspection(previous);
}
