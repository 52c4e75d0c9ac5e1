import type { Any } from "@bufbuild/protobuf/wkt";
import type { Mount } from "../../api/types/mount_pb.js";
import type { CheckpointOptions, Options } from "../../api/types/runc/options/oci_pb.js";
import type { Spec, SpecProcess, SpecResources } from "../../oci/runtime-spec.js";
import type { ProcessIO } from "./process-io.js";
import type { ProgramFiles } from "./simulated/program.js";

/** How a process ended. */
export interface ProcessExit {
  /** 128 and the signal's number when a signal ended it. */
  readonly exitStatus: number;
  readonly exitedAt: Date;
}

/** A process of a task. It runs only after {@link RuntimeProcess.start}. */
export interface RuntimeProcess {
  /** Resolves when it has ended; never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Starts it, and resolves to its process id. */
  start(): Promise<number>;
  /** Sends a signal, to all processes of the task when `all` is said of its first. */
  kill(signal: number, all: boolean): Promise<void>;
  /** Sets the size of its terminal, in characters; nothing without one. */
  resize(width: number, height: number): Promise<void>;
  /** Lets it read the end of its input, once nobody else has that open. */
  closeStdin(): Promise<void>;
  /** Gives back what it holds, after its end or when it was never started. */
  delete(): Promise<void>;
}

/** The first process of a container, and those beside it. */
export interface RuntimeTask extends RuntimeProcess {
  /** Its process id; 0 for one that is to be thawed. */
  readonly pid: number;
  /** Prepares a process beside it. */
  exec(execId: string, process: SpecProcess, io: ProcessIO): Promise<RuntimeProcess>;
  /** Resolves when nothing of it moves any more. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Saves what it remembers into an empty directory; it goes on as it was unless `options.exit`. */
  checkpoint(directory: string, options: CheckpointOptions): Promise<void>;
  /** The process ids in it. */
  pids(): Promise<readonly number[]>;
  update(resources: SpecResources): Promise<void>;
  /** What it has used so far. */
  metrics(): Promise<Any>;
}

/** What a task is made of. */
export interface TaskRequest {
  readonly namespace: string;
  readonly id: string;
  /** The daemon's directory for what lasts as long as it runs. */
  readonly state: string;
  /** A directory in it for the runtime's own files; made and removed by the runtime. */
  readonly bundle: string;
  /** A directory that stays after a failure, for logs; made by the runtime. */
  readonly work: string;
  readonly spec: Spec;
  /** What makes the root filesystem visible; empty when the spec's root is all there is. */
  readonly rootfs: readonly Mount[];
  /** The files behind `rootfs`; without a `directory` they are in memory and nothing can be mounted. */
  readonly tree: (ProgramFiles & { readonly directory: string | undefined }) | undefined;
  readonly io: ProcessIO;
  readonly options: Options;
  /** A directory with a dump to thaw it from. */
  readonly dump: string | undefined;
}

/** What runs containers for one embedded containerd, which closes it with itself. */
export interface Runtime {
  /** The program that runs them, such as `runc`; `simulated` where nothing real does. */
  readonly name: string;
  /**
   * Takes away what a daemon that was killed left running and mounted; before anything is made. `state` was its directory.
   *
   * @internal
   */
  recover(state: string): Promise<void>;
  /**
   * Makes a container's first process, or nothing.
   *
   * @internal
   */
  create(request: TaskRequest): Promise<RuntimeTask>;
  /**
   * Ends everything it started.
   *
   * @internal
   */
  close(): Promise<void>;
}
