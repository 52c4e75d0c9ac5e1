import type { CallOptions } from "../call-options.js";
import type { Ingester } from "../content/store.js";
import { InvalidArgumentError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";

/** What criu is asked to do with things a process shares with the world outside its container. */
export interface CriuOptions {
  /** Keep established TCP connections. */
  readonly openTcp?: boolean | undefined;
  /** Accept unix sockets whose other end is outside the container. */
  readonly externalUnixSockets?: boolean | undefined;
  /** Accept a terminal that was handed in from outside. */
  readonly terminal?: boolean | undefined;
  /** Keep file locks. Default: true, as in containerd's own client. */
  readonly fileLocks?: boolean | undefined;
  /** Namespaces to leave empty, such as `network`. */
  readonly emptyNamespaces?: readonly string[] | undefined;
  /** How cgroups are treated: `ignore`, `none`, `props`, `soft`, `full` or `strict`. The runc shim of every containerd so far drops it. */
  readonly cgroupsMode?: string | undefined;
  /** A directory on the daemon's host where criu keeps its log and statistics. */
  readonly workPath?: string | undefined;
}

/**
 * How memory and files go into the daemon's store. `directory`: the memory is dumped into a directory of ours in the daemon's
 * root, changed files are copied beside it, and both are packed while the task runs on. `daemon`: all is dumped and packed
 * while the task stands still.
 */
export type CheckpointWay = "directory" | "daemon";

/** How the writable layer is packed. */
export type RWCompression = "gzip" | "zstd" | "none";

/** What a part of the caller's own is given to work with. */
export interface CheckpointPartContext {
  /** The container being checkpointed. */
  readonly containerId: string;
  /** Where the part's bytes go. */
  readonly content: Ingester;
  /** An ingest ref that nobody else uses. */
  readonly ref: string;
}

/** Writes one part of the caller's own and says where it is. `call` holds the lease that keeps it. */
export type CheckpointPart = (context: CheckpointPartContext, call: CallOptions) => Promise<Descriptor>;

/** What a checkpoint will contain. Options edit it; nothing happens before it is performed, in one fixed order. */
export interface CheckpointPlan {
  /** The base image becomes part of the checkpoint. `undefined`: nothing was said about it. */
  image: boolean | undefined;
  /** The runtime's options become part of it. */
  runtime: boolean | undefined;
  /** The task's memory becomes part of it. */
  task: boolean | undefined;
  /** The writable layer becomes part of it. */
  rw: boolean | undefined;
  /** The task is ended once its checkpoint is complete and registered. */
  exit: boolean;
  /** What criu is asked. */
  criu: CriuOptions;
  /** How the writable layer is packed. */
  rwCompression: RWCompression;
  /** How memory and files go into the store. `undefined`: through a directory where that can be done. */
  way: CheckpointWay | undefined;
  /** Annotations of the caller's own for the index. */
  readonly annotations: Record<string, string>;
  /** Labels of the caller's own for the image record. */
  readonly labels: Record<string, string>;
  /** Parts of the caller's own, in the order they were asked for. */
  readonly parts: CheckpointPart[];
}

/** Edits the plan of a checkpoint. It does no I/O, and the order of options does not matter. */
export type CheckpointOption = (plan: CheckpointPlan) => void;

/** Includes the base image, so that the checkpoint can be carried to a daemon that does not have it. */
export function withCheckpointImage(): CheckpointOption {
  return (plan) => {
    plan.image = true;
  };
}

/** Includes the options of the container's runtime. */
export function withCheckpointRuntime(): CheckpointOption {
  return (plan) => {
    plan.runtime = true;
  };
}

/** Includes the task: its memory and kernel state as criu dumps them, and the runtime spec. */
export function withCheckpointTask(criu: CriuOptions = {}): CheckpointOption {
  return (plan) => {
    plan.task = true;
    plan.criu = { ...plan.criu, ...criu };
  };
}

/** Includes the writable layer, packed with gzip unless told otherwise. `ctr` restores gzip only. */
export function withCheckpointRW(compression?: RWCompression): CheckpointOption {
  return (plan) => {
    plan.rw = true;
    if (compression !== undefined) plan.rwCompression = compression;
  };
}

/**
 * Ends the task, but only after its checkpoint is complete and registered; until then it stays paused. With
 * `openTcp` criu must end it itself, or peers would see their connections close: then the task is gone right after
 * the dump.
 */
export function withCheckpointTaskExit(): CheckpointOption {
  return (plan) => {
    plan.exit = true;
  };
}

/**
 * Says how memory and files go into the daemon's store. With no word about it that is through a `directory` wherever this
 * process may write to the daemon's root: the pause is then hardly longer than criu needs, and the disk holds the memory twice
 * for a while. Else, and where criu itself must end the task, it is the way of the `daemon`. `cost.way` tells which it was; to
 * ask for `directory` is to fail, before anything is frozen, where there is none. In the way of the `daemon` memory passes through
 * containerd's temporary directory; what stays there when a caller goes away meanwhile is swept, on the daemon's machine.
 */
export function withCheckpointWay(way: CheckpointWay): CheckpointOption {
  return (plan) => {
    plan.way = way;
  };
}

/** Includes a part of the caller's own, of a media type that no part of a checkpoint has: not a layer's or an image's. */
export function withCheckpointPart(part: CheckpointPart): CheckpointOption {
  return (plan) => {
    plan.parts.push(part);
  };
}

/** Adds annotations to the checkpoint index; those containerd and this library use cannot be set. */
export function withCheckpointAnnotations(annotations: Readonly<Record<string, string>>): CheckpointOption {
  return (plan) => {
    Object.assign(plan.annotations, annotations);
  };
}

/** Adds labels to the image record. */
export function withCheckpointLabels(labels: Readonly<Record<string, string>>): CheckpointOption {
  return (plan) => {
    Object.assign(plan.labels, labels);
  };
}

/** Whether criu itself must end the task: its peers would see their connections close if anybody else did. */
export function criuEnds({ exit, criu }: CheckpointPlan): boolean {
  return exit && criu.openTcp === true;
}

/** Where no part is asked for by name, the checkpoint holds everything the container has. */
export function planCheckpoint(options: readonly CheckpointOption[]): CheckpointPlan {
  const plan: CheckpointPlan = {
    image: undefined,
    runtime: undefined,
    task: undefined,
    rw: undefined,
    exit: false,
    criu: {},
    rwCompression: "gzip",
    way: undefined,
    annotations: {},
    labels: {},
    parts: [],
  };
  for (const option of options) option(plan);
  const named = plan.image ?? plan.runtime ?? plan.task ?? plan.rw;
  if (named !== undefined) {
    plan.image ??= false;
    plan.runtime ??= false;
    plan.task ??= false;
    plan.rw ??= false;
  }
  if (plan.exit && plan.task === false) {
    throw new InvalidArgumentError("Cannot end the task after this checkpoint: its memory is not part of it", {
      hint: "Add withCheckpointTask(), or end the task yourself.",
    });
  }
  if (plan.way === "directory" && criuEnds(plan)) {
    throw new InvalidArgumentError(
      "Cannot dump into a directory and have criu end the task: it would be lost with it",
      {
        hint: "Leave out withCheckpointWay(), or openTcp, or withCheckpointTaskExit().",
      },
    );
  }
  for (const key of Object.keys(plan.annotations)) {
    if (/^(io\.containerd\.|containerd-client\.|org\.opencontainers\.image\.ref\.name$)/.test(key)) {
      throw new InvalidArgumentError(`Cannot annotate the checkpoint with ${JSON.stringify(key)}: the key is reserved`);
    }
  }
  return plan;
}
