import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import {
  TaskCreateSchema,
  TaskDeleteSchema,
  TaskExecAddedSchema,
  TaskExecStartedSchema,
  TaskExitSchema,
  TaskPausedSchema,
  TaskResumedSchema,
  TaskStartSchema,
} from "../../api/events/task_pb.js";
import { packAny } from "../../typeurl.js";
import type { Daemon } from "../daemon.js";
import type { ProcessExit } from "../runtime/runtime.js";
import { exitFields, type TaskProcess } from "./process.js";

/** Tells what happens to the tasks of a namespace. */
export class TaskEvents {
  readonly #daemon: Pick<Daemon, "publish">;
  readonly #namespace: string;

  constructor(daemon: Pick<Daemon, "publish">, namespace: string) {
    this.#daemon = daemon;
    this.#namespace = namespace;
  }

  created(event: MessageInitShape<typeof TaskCreateSchema>): void {
    this.#publish("/tasks/create", TaskCreateSchema, event);
  }

  started(containerId: string, pid: number): void {
    this.#publish("/tasks/start", TaskStartSchema, { containerId, pid });
  }

  execAdded(containerId: string, execId: string): void {
    this.#publish("/tasks/exec-added", TaskExecAddedSchema, { containerId, execId });
  }

  execStarted(containerId: string, execId: string, pid: number): void {
    this.#publish("/tasks/exec-started", TaskExecStartedSchema, { containerId, execId, pid });
  }

  exited(containerId: string, { id, pid }: TaskProcess, exit: ProcessExit): void {
    this.#publish("/tasks/exit", TaskExitSchema, { containerId, id, pid, ...exitFields(exit) });
  }

  deleted(containerId: string, pid: number, exit: ProcessExit | undefined): void {
    this.#publish("/tasks/delete", TaskDeleteSchema, { containerId, pid, ...exitFields(exit) });
  }

  paused(containerId: string): void {
    this.#publish("/tasks/paused", TaskPausedSchema, { containerId });
  }

  resumed(containerId: string): void {
    this.#publish("/tasks/resumed", TaskResumedSchema, { containerId });
  }

  #publish<T extends DescMessage>(topic: string, schema: T, event: MessageInitShape<T>): void {
    this.#daemon.publish(this.#namespace, topic, packAny(schema, create(schema, event)));
  }
}
