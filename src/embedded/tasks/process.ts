import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Process as ProcessMessage, ProcessSchema, Status } from "../../api/types/task/task_pb.js";
import type { ProcessIO } from "../runtime/process-io.js";
import type { ProcessExit, RuntimeProcess } from "../runtime/runtime.js";

/** A process of a task as the daemon keeps it. */
export class TaskProcess {
  /** Its id among the processes of the task; the task's for the first. */
  readonly id: string;
  readonly io: ProcessIO;
  readonly runs: RuntimeProcess;
  /** Resolves when the daemon knows how it ended. */
  readonly exited: Promise<ProcessExit>;
  pid: number;
  status: "created" | "running" | "stopped" = "created";
  exit: ProcessExit | undefined;

  constructor(id: string, io: ProcessIO, runs: RuntimeProcess, pid: number) {
    this.id = id;
    this.io = io;
    this.runs = runs;
    this.pid = pid;
    this.exited = runs.exited.then((exit) => {
      this.status = "stopped";
      this.exit = exit;
      return exit;
    });
  }

  /** What the daemon says of it. */
  message(paused: boolean): ProcessMessage {
    const { id, pid, io } = this;
    return create(ProcessSchema, { id, pid, status: this.#status(paused), ...io, ...exitFields(this.exit) });
  }

  #status(paused: boolean): Status {
    if (this.status === "created") return Status.CREATED;
    if (this.status === "stopped") return Status.STOPPED;
    return paused ? Status.PAUSED : Status.RUNNING;
  }
}

// What Go writes for no time at all.
const NEVER: Timestamp = create(TimestampSchema, { seconds: -62_135_596_800n, nanos: 0 });

/** How a process ended, in the fields all messages about that share. */
export function exitFields(exit: ProcessExit | undefined): { exitStatus: number; exitedAt: Timestamp } {
  return exit === undefined
    ? { exitStatus: 0, exitedAt: NEVER }
    : { exitStatus: exit.exitStatus, exitedAt: timestampFromDate(exit.exitedAt) };
}
