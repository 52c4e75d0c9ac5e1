import { Tasks } from "../api/services/tasks/v1/tasks_pb.js";
import type { CallOptions } from "../call-options.js";
import { FailedPreconditionError } from "../errors.js";
import type { SpecProcess } from "../oci/runtime-spec.js";
import { ioContext } from "./io-context.js";
import { Process } from "./process.js";
import type { Services } from "./services.js";
import { fromShim } from "./shim-errors.js";
import { packProcess } from "./spec-any.js";
import { nullIO, type TaskIO } from "./task-io.js";

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
  try {
    const spec = packProcess({ ...process, terminal });
    await fromShim(services.rpc.unary(Tasks.method.exec, { ...io.request, containerId, execId, spec }, options));
    return new Process(services, containerId, execId, 0, io);
  } catch (reason) {
    await io.close();
    throw reason;
  }
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
