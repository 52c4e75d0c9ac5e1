import { basename } from "node:path/posix";
import { SIMULATED_RUNTIME } from "../../../checkpoint/simulated-dump.js";
import { UnknownError } from "../../../errors.js";
import type { Runtime, RuntimeTask, TaskRequest } from "../runtime.js";
import { builtinPrograms } from "./builtin.js";
import { readDump } from "./dump.js";
import type { Program, Programs } from "./program.js";
import { type Doing, SimulatedTask } from "./task.js";

// Above the largest process id Linux ever gives: nobody takes one of these for a process of the machine.
const FIRST_PID = 2 ** 22 + 1;

/**
 * Runs programs written in JavaScript instead of processes, in this process: without root, on any operating system. What they keep in
 * their memory a dump really saves, and a thaw really brings back; a container of theirs has nothing else, no isolation
 * and no limits.
 *
 * @example
 * ```ts
 * const runtime = simulatedRuntime({ tick: async function* ({ stdout }) { for (;;) { yield stdout.write("tick\n"); yield 1000; } } });
 * ```
 */
export function simulatedRuntime(programs: Programs = {}): Runtime {
  return new SimulatedRuntime({ ...builtinPrograms, ...programs });
}

class SimulatedRuntime implements Runtime {
  readonly name = SIMULATED_RUNTIME;
  readonly #programs: Programs;
  readonly #tasks = new Set<SimulatedTask>();
  #lastPid = FIRST_PID - 1;

  constructor(programs: Programs) {
    this.#programs = programs;
  }

  // They were in the process that was killed.
  async recover(): Promise<void> {}

  async create(request: TaskRequest): Promise<RuntimeTask> {
    const frozen = request.dump === undefined ? undefined : await readDump(request.dump);
    const task = new SimulatedTask(request, frozen, {
      nextPid: () => ++this.#lastPid,
      program: (args, doing) => this.#program(args, doing),
      deleted: () => void this.#tasks.delete(task),
    });
    await task.open();
    this.#tasks.add(task);
    return task;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#tasks].map((task) => task.delete()));
  }

  /** @throws {UnknownError} when there is none of that name, with a runtime's own words */
  #program(args: readonly string[], doing: Doing): Program {
    const [path = ""] = args;
    const name = basename(path);
    const program = Object.hasOwn(this.#programs, name) ? this.#programs[name] : undefined;
    if (program !== undefined) return program;
    const failed =
      doing === "create"
        ? "failed to create shim task: OCI runtime create failed: runc create failed"
        : `OCI runtime ${doing} failed: ${doing} failed`;
    // Errors cross the wire as their message alone.
    const known = Object.keys(this.#programs).sort().join(", ");
    throw new UnknownError(
      `${failed}: unable to start container process: exec: ${JSON.stringify(path)}: executable file not found in $PATH (tasks are simulated here: there are ${known})`,
    );
  }
}
