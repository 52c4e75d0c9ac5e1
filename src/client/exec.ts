import { Tasks } from "../api/services/tasks/v1/tasks_pb.js";
import type { CallOptions } from "../call-options.js";
import { withDeadline } from "../content/deadline.js";
import { FailedPreconditionError } from "../errors.js";
import type { SpecProcess } from "../oci/runtime-spec.js";
import { CleanUp } from "./clean-up.js";
import { ioContext } from "./io-context.js";
import { mayHaveHappened } from "./lost-answer.js";
import { Process, processStatus } from "./process.js";
import type { Services } from "./services.js";
import { fromShim } from "./shim-errors.js";
import { packProcess } from "./spec-any.js";
import { type IORequest, nullIO, type TaskIO } from "./task-io.js";
import { present } from "./wire.js";

const PATIENCE = { tryMs: 5_000, laterRestMs: 1_000 };

/**
 * How a further process in a task is made.
 *
 * @inline
 */
export interface ExecOptions extends CallOptions {
  /** Its input and output; none when absent. */
  readonly io?: TaskIO | undefined;
  /** Whether it gets a terminal; what the process itself says when absent, and no for mere arguments. */
  readonly terminal?: boolean | undefined;
}

/** Prepares a process in a task that runs. */
export async function execProcess(
  services: Services,
  containerId: string,
  execId: string,
  wanted: SpecProcess | readonly string[],
  options: ExecOptions,
): Promise<Process> {
  const { io: kind = nullIO(), terminal: wantsTerminal } = options;
  const process = isArguments(wanted) ? await likeInit(services, containerId, wanted, options) : wanted;
  const terminal = wantsTerminal ?? process.terminal ?? false;
  const io = await kind.open(ioContext(services, containerId, terminal, options));
  const cleanUp = new CleanUp(PATIENCE);
  try {
    const spec = packProcess({ ...process, terminal });
    const input = { ...io.request, containerId, execId, spec };
    await withDeadline(`Exec ${execId}`, options, ({ signal }) => {
      let isThere = true;
      const prepare = async (call: CallOptions): Promise<void> => {
        try {
          await fromShim(services.rpc.unary(Tasks.method.exec, input, call));
        } catch (reason) {
          isThere = mayHaveHappened(reason, call);
          throw reason;
        }
      };
      const undo = async (call: CallOptions): Promise<void> => {
        if (isThere) await discardOurs(services, containerId, execId, io.request, call);
      };
      return cleanUp.make(`process ${execId}`, prepare, undo, signal);
    });
    return new Process(services, containerId, execId, 0, io);
  } catch (reason) {
    // What a silent daemon did not remove by now is removed when it speaks again.
    await cleanUp.run(true);
    await io.close();
    throw reason;
  }
}

/** After a lost answer: a process that has our id, input and output, and was never started. */
async function discardOurs(
  services: Services,
  containerId: string,
  execId: string,
  io: IORequest,
  call: CallOptions,
): Promise<void> {
  const found = await services.rpc.unary(Tasks.method.get, { containerId, execId }, call);
  const process = present(found.process, "a process");
  const ours = process.stdin === io.stdin && process.stdout === io.stdout && process.stderr === io.stderr;
  if (!ours || processStatus(process).status !== "created") return;
  await fromShim(services.rpc.unary(Tasks.method.deleteProcess, { containerId, execId }, call));
}

function isArguments(process: SpecProcess | readonly string[]): process is readonly string[] {
  return Array.isArray(process);
}

async function likeInit(
  services: Services,
  containerId: string,
  args: readonly string[],
  call: CallOptions,
): Promise<SpecProcess> {
  const container = await services.containers.get(containerId, call);
  const { process } = await container.spec(call);
  if (process !== undefined) return { ...process, args: [...args], terminal: false };
  throw new FailedPreconditionError(
    `Cannot run ${JSON.stringify(args[0])} in container ${containerId}: its spec has no process`,
  );
}
