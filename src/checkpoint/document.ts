import type { CallOptions } from "../call-options.js";
import { readDocument } from "../content/documents.js";
import type { Provider } from "../content/store.js";
import { InvalidArgumentError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { isDigest } from "../oci/digest.js";
import { type Index, parseIndex } from "../oci/image-index.js";
import { isIndexType, isLayerType, isManifestType } from "../oci/media-types.js";
import { CheckpointAnnotation } from "./annotations.js";
import type { CheckpointDescription, CheckpointImage } from "./description.js";
import { engineNamed } from "./inspect/image-annotations.js";
import { CheckpointMediaType } from "./media-types.js";

/** A checkpoint index, read into named parts. Plain data: it holds no connection. */
export interface Checkpoint extends CheckpointDescription {
  /** The index itself. */
  readonly target: Descriptor;
  /** The image record it was found under. */
  readonly ref?: string;
  /** The snapshotter that held the root filesystem. */
  readonly snapshotter?: string;
  /** The criu images: memory and kernel state. */
  readonly task?: Descriptor;
  /** The writable layer. */
  readonly rw?: Descriptor;
  /** The runtime spec. */
  readonly spec?: Descriptor;
  /** What criu was asked when it dumped. */
  readonly criuOptions?: Descriptor;
  /** Parts this library does not know. */
  readonly others: readonly Descriptor[];
}

/**
 * Reads a checkpoint index from any provider and names its parts.
 *
 * @example
 * ```ts
 * const image = await client.images.get("checkpoint:1");
 * const checkpoint = await readCheckpoint(client.content, image.target);
 * console.log(checkpoint.task?.size, checkpoint.image.name);
 * ```
 * @throws {InvalidArgumentError} when the target is not the index of a checkpoint
 * @throws {NotFoundError} when the provider does not have it
 * @throws {DataLossError} when the bytes are not what the descriptor says
 */
export async function readCheckpoint(
  provider: Provider,
  target: Descriptor,
  call: CallOptions = {},
): Promise<Checkpoint> {
  if (!isIndexType(target.mediaType)) {
    throw new InvalidArgumentError(
      `Cannot read a checkpoint from ${target.digest}: ${target.mediaType} is not an index`,
    );
  }
  return parseCheckpoint(parseIndex(await readDocument(provider, target, call)), target);
}

/** How an error names a checkpoint. */
export function checkpointName({ ref, target }: Pick<Checkpoint, "ref" | "target">): string {
  return ref === undefined ? `checkpoint ${target.digest}` : `checkpoint ${JSON.stringify(ref)}`;
}

/** Names the parts of a checkpoint index. */
export function parseCheckpoint(index: Index, target: Descriptor): Checkpoint {
  const annotations = index.annotations ?? {};
  const of = (what: string, belongs: (mediaType: string) => boolean) => {
    const found = index.manifests.filter((part) => belongs(part.mediaType));
    if (found.length > 1) {
      throw new InvalidArgumentError(
        `Cannot read checkpoint ${target.digest}: it has ${found.length} parts of the kind "${what}"`,
      );
    }
    return found[0];
  };
  const parts = {
    task: of("task", (type) => type === CheckpointMediaType.task),
    spec: of("spec", (type) => type === CheckpointMediaType.spec),
    criuOptions: of("criu options", (type) => type === CheckpointMediaType.criuOptions),
    rw: of("rw layer", isLayerType),
  };
  const runtimeOptions = of("runtime options", (type) => type === CheckpointMediaType.runtimeOptions);
  const image = of("image", (type) => isIndexType(type) || isManifestType(type));
  const runtime = annotations[CheckpointAnnotation.runtime];
  if (
    !Object.values(parts).some((part) => part !== undefined) &&
    runtimeOptions === undefined &&
    runtime === undefined
  ) {
    throw new InvalidArgumentError(`Cannot read checkpoint ${target.digest}: the index holds no part of a checkpoint`);
  }
  const known = new Set([...Object.values(parts), runtimeOptions, image]);
  const snapshotter = annotations[CheckpointAnnotation.snapshotter];
  const containerId = annotations[CheckpointAnnotation.containerId];
  const createdAt = new Date(annotations[CheckpointAnnotation.createdAt] ?? Number.NaN);
  return {
    target,
    origin: { engine: engineNamed(annotations[CheckpointAnnotation.engine]) ?? "containerd" },
    ...(containerId === undefined ? {} : { containerId }),
    ...(Number.isNaN(createdAt.getTime()) ? {} : { createdAt }),
    image: parseImage(annotations, image),
    runtime: {
      ...(runtime === undefined ? {} : { name: runtime }),
      ...(runtimeOptions === undefined ? {} : { options: runtimeOptions }),
    },
    ...(snapshotter === undefined ? {} : { snapshotter }),
    ...(parts.task === undefined ? {} : { task: parts.task }),
    ...(parts.rw === undefined ? {} : { rw: parts.rw }),
    ...(parts.spec === undefined ? {} : { spec: parts.spec }),
    ...(parts.criuOptions === undefined ? {} : { criuOptions: parts.criuOptions }),
    others: index.manifests.filter((part) => !known.has(part)),
    annotations,
  };
}

function parseImage(annotations: Labels, descriptor: Descriptor | undefined): CheckpointImage {
  const name = annotations[CheckpointAnnotation.imageName] ?? annotations[CheckpointAnnotation.taskImageName];
  const digest = annotations[CheckpointAnnotation.imageDigest] ?? descriptor?.digest;
  const chainId = annotations[CheckpointAnnotation.chainId];
  const parentSnapshot = annotations[CheckpointAnnotation.parentSnapshot];
  const configDigest = annotations[CheckpointAnnotation.imageConfigDigest];
  if (digest !== undefined && descriptor !== undefined && digest !== descriptor.digest) {
    throw new InvalidArgumentError(
      `Cannot read the checkpoint: its annotations name base image ${digest}, but it contains ${descriptor.digest}`,
    );
  }
  return {
    ...(name === undefined || name === "" ? {} : { name }),
    ...(digest !== undefined && isDigest(digest) ? { digest } : {}),
    ...(configDigest !== undefined && isDigest(configDigest) ? { configDigest } : {}),
    ...(chainId !== undefined && isDigest(chainId) ? { chainId } : {}),
    ...(parentSnapshot === undefined ? {} : { parentSnapshot }),
    ...(descriptor === undefined ? {} : { descriptor }),
  };
}

/** The parts of a new checkpoint, and what its annotations shall say. */
export interface CheckpointParts {
  /** The container it was made of. */
  readonly containerId: string;
  /** When it was captured. */
  readonly createdAt: Date;
  /** The base image; its descriptor when it is to be part of the checkpoint. */
  readonly image: CheckpointImage;
  /** The runtime's name. */
  readonly runtime: string;
  /** The runtime's options. */
  readonly runtimeOptions?: Descriptor | undefined;
  /** The snapshotter that holds the root filesystem. */
  readonly snapshotter: string;
  /** The writable layer. */
  readonly rw?: Descriptor | undefined;
  /** The criu images. */
  readonly task?: Descriptor | undefined;
  /** The runtime spec. */
  readonly spec?: Descriptor | undefined;
  /** What criu was asked. */
  readonly criuOptions?: Descriptor | undefined;
  /** Parts of the caller's own. */
  readonly others: readonly Descriptor[];
  /** Annotations of the caller's own. */
  readonly annotations: Labels;
}

/** The index of a new checkpoint: the parts in `ctr`'s order, containerd's three annotations and ours. */
export function checkpointIndex(parts: CheckpointParts): Index {
  const { image, rw, task, spec, criuOptions } = parts;
  const manifests = [parts.runtimeOptions, image.descriptor, rw, task, spec, criuOptions, ...parts.others];
  return {
    schemaVersion: 2,
    manifests: manifests.filter((part) => part !== undefined),
    annotations: {
      ...parts.annotations,
      [CheckpointAnnotation.imageName]: image.name ?? "",
      [CheckpointAnnotation.runtime]: parts.runtime,
      [CheckpointAnnotation.snapshotter]: parts.snapshotter,
      [CheckpointAnnotation.containerId]: parts.containerId,
      [CheckpointAnnotation.createdAt]: parts.createdAt.toISOString(),
      ...(image.digest === undefined ? {} : { [CheckpointAnnotation.imageDigest]: image.digest }),
      ...(image.chainId === undefined ? {} : { [CheckpointAnnotation.chainId]: image.chainId }),
      ...(image.parentSnapshot === undefined ? {} : { [CheckpointAnnotation.parentSnapshot]: image.parentSnapshot }),
      ...(image.configDigest === undefined ? {} : { [CheckpointAnnotation.imageConfigDigest]: image.configDigest }),
    },
  };
}
