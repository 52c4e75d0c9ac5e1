import type { Labels } from "../../oci/descriptor.js";
import type { BindMount } from "../archive/part.js";
import type { DumpedProcess } from "../criu/process-tree.js";
import type { DumpedMount, DumpStatistics } from "../criu/records.js";
import type { CheckpointDescription } from "../description.js";

/** The pod a container was in. */
export interface CheckpointPod {
  /** Its name. */
  readonly name?: string;
  /** The Kubernetes namespace it was in. */
  readonly namespace?: string;
  /** Kubernetes' id for it. */
  readonly uid?: string;
}

/** A network interface of the container. */
export interface CheckpointInterface {
  /** Its name in the container. */
  readonly name: string;
  /** Its addresses, each with the length of its prefix. */
  readonly addresses: readonly string[];
  /** Its hardware address. */
  readonly mac?: string;
  /** Where packets left by. */
  readonly gateways: readonly string[];
}

/** A network the container was in. */
export interface CheckpointNetwork {
  /** Its name; empty where the engine gives but addresses. */
  readonly name: string;
  /** The interfaces to it. */
  readonly interfaces: readonly CheckpointInterface[];
}

/** Bytes of the parts as they are in the archive. */
export interface CheckpointSizes {
  /** criu's dump. */
  readonly checkpoint: number;
  /** The memory in it. */
  readonly memoryPages: number;
  /** The memory of AMD's GPUs in it. */
  readonly amdGpuPages: number;
  /** The dump made before it. */
  readonly preCheckpoint: number;
  /** Changed files. */
  readonly rootfsDiff: number;
  /** What was in `/dev/shm`. */
  readonly shm: number;
  /** Named volumes. */
  readonly volumes: number;
  /** Logs. */
  readonly logs: number;
}

/** A mount as the runtime spec has it. */
export interface CheckpointMount {
  /** Where it was. */
  readonly destination: string;
  /** The kind of filesystem, or `bind`. */
  readonly type: string;
  /** What was mounted. */
  readonly source: string;
}

/** All that a checkpoint tells about its container. Plain data. */
export interface CheckpointInspection extends CheckpointDescription {
  /** The pod, when there was one. */
  readonly pod?: CheckpointPod;
  /** Annotations of the runtime spec. */
  readonly specAnnotations: Labels;
  /** The networks, by name. */
  readonly networks: readonly CheckpointNetwork[];
  /** How large the parts are. */
  readonly sizes: CheckpointSizes;
  /** What criu measured; absent when nothing says. */
  readonly statistics?: DumpStatistics;
  /** The processes: the first one, with what is below it. None in a dump that was made before the real one. */
  readonly processes: readonly DumpedProcess[];
  /** The mounts of the runtime spec; none where there is no spec. */
  readonly mounts: readonly CheckpointMount[];
  /** The mounts as criu saw them, the innermost first. */
  readonly dumpedMounts: readonly DumpedMount[];
  /** The bind mounts that a restore must find, where the engine noted them. */
  readonly bindMounts: readonly BindMount[];
  /** What was deleted from the root filesystem, where that is a list of its own. */
  readonly deletedFiles: readonly string[];
  /** The named volumes in it. */
  readonly volumes: readonly string[];
  /** Where the dump says that the one before it lies; then this one is not whole by itself. */
  readonly parent?: string;
}
