import type { CallOptions } from "../call-options.js";
import { isInvalidArgument, NotFoundError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { isDocumentType, isIndexType } from "../oci/media-types.js";
import { orUndefined } from "./found.js";
import type { PlatformChoice } from "./platform-choice.js";
import { type AnyProvider, labelsWhenPresent } from "./presence.js";
import { walk } from "./walk.js";

/** The space an image takes, in bytes. */
export interface ImageUsage {
  /** Of what is there. */
  readonly present: number;
  /** Of what is not there, as the documents that name it say. */
  readonly missing: number;
  /** Both together. */
  readonly total: number;
  /** Whether a document is not there, so that what it refers to is in none of the sums. */
  readonly partial: boolean;
  /** The unpacked layers, the highest first; empty when they were not asked for. Their bytes are in none of the sums above. */
  readonly snapshots: readonly ImageSnapshot[];
}

/** The space one unpacked layer takes, without what it stands on. */
export interface ImageSnapshot {
  /** Where it is. */
  readonly snapshotter: string;
  /** Its name: a chain id. */
  readonly name: string;
  /** Bytes on disk. */
  readonly size: number;
  /** Number of inodes. */
  readonly inodes: number;
}

/** What is asked of a snapshotter. */
export interface SnapshotReader {
  /** Says what a snapshot stands on. */
  stat(
    name: string,
    call?: CallOptions,
  ): Promise<{
    /** The snapshot below it; absent for one that stands on nothing. */
    readonly parent?: string;
  }>;
  /** Says what a snapshot takes by itself. */
  usage(
    name: string,
    call?: CallOptions,
  ): Promise<{
    /** Bytes on disk. */
    readonly size: number;
    /** Files and directories. */
    readonly inodes: number;
  }>;
}

/** What counts. */
export interface ImageUsageOptions extends CallOptions, PlatformChoice {
  /** With it the unpacked layers count that the image's labels name; it gives what answers for a snapshotter. */
  readonly snapshots?: ((snapshotter: string) => SnapshotReader) | undefined;
}

/**
 * Measures the space an image takes, all its platforms together when none is named. Each blob counts once, however often it is
 * referred to. Documents that are not there are passed over, unless `manifestLimit` is given: with 0, all of them are wanted.
 *
 * @example
 * ```ts
 * const { present, missing } = await imageUsage(store, target);
 * ```
 * @throws {NotFoundError} when `manifestLimit` is given and a document is not there, or none suits the platform
 */
export async function imageUsage(
  provider: AnyProvider,
  target: Descriptor,
  options: ImageUsageOptions = {},
): Promise<ImageUsage> {
  const { snapshots, platform, manifestLimit, ...call } = options;
  const sums = { present: 0, missing: 0 };
  const counted = new Set<string>();
  const tops = new Map<string, readonly [snapshotter: string, name: string]>();
  const strict = manifestLimit !== undefined;
  let partial = false;
  let children = 0;
  for await (const { descriptor, depth } of walk(provider, target, {
    ...call,
    platform,
    manifestLimit,
    skipMissing: !strict,
  })) {
    if (depth > 0) children++;
    if (counted.has(descriptor.digest)) continue;
    counted.add(descriptor.digest);
    const labels = await labelsWhenPresent(provider, descriptor, call);
    sums[labels === undefined ? "missing" : "present"] += descriptor.size;
    for (const top of snapshotsIn(labels ?? {})) tops.set(top.join(" "), top);
    if (labels === undefined && isDocumentType(descriptor.mediaType)) partial = true;
    if (depth === 0 && partial && !strict) break;
  }
  if (strict && children === 0 && isIndexType(target.mediaType)) {
    throw new NotFoundError(`Cannot find a manifest to measure in ${target.digest}`);
  }
  const chains = snapshots === undefined ? [] : await measureChains([...tops.values()], snapshots, call);
  return { ...sums, total: sums.present + sums.missing, partial, snapshots: chains };
}

const SNAPSHOT_LABEL = "containerd.io/gc.ref.snapshot.";

/** The snapshots a blob keeps: what its layers were unpacked to. */
function snapshotsIn(labels: Labels): (readonly [snapshotter: string, name: string])[] {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.flatMap(([label, name]) => {
    const snapshotter = label.startsWith(SNAPSHOT_LABEL) ? label.slice(SNAPSHOT_LABEL.length).replace(/\/.*/, "") : "";
    return snapshotter === "" ? [] : [[snapshotter, name] as const];
  });
}

async function measureChains(
  tops: readonly (readonly [snapshotter: string, name: string])[],
  snapshots: (snapshotter: string) => SnapshotReader,
  call: CallOptions,
): Promise<ImageSnapshot[]> {
  const measured = new Map<string, ImageSnapshot>();
  for (const [snapshotter, top] of tops) {
    const reader = snapshots(snapshotter);
    let name = top;
    while (name !== "" && !measured.has(`${snapshotter} ${name}`)) {
      const usage = await usageOf(reader, name, call);
      if (usage === undefined) break;
      const { size, inodes } = usage;
      measured.set(`${snapshotter} ${name}`, { snapshotter, name, size, inodes });
      name = (await reader.stat(name, call)).parent ?? "";
    }
  }
  return [...measured.values()];
}

/** A label may outlive the snapshot, and the snapshotter too. */
async function usageOf(
  reader: SnapshotReader,
  name: string,
  call: CallOptions,
): Promise<{ readonly size: number; readonly inodes: number } | undefined> {
  try {
    return await orUndefined(reader.usage(name, call));
  } catch (reason) {
    if (isInvalidArgument(reason)) return undefined;
    throw reason;
  }
}
