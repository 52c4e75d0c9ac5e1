import { create } from "@bufbuild/protobuf";
import { type Any, timestampNow } from "@bufbuild/protobuf/wkt";
import type { Tasks } from "../../api/services/tasks/v1/tasks_pb.js";
import { ProcessDetailsSchema } from "../../api/types/runc/options/oci_pb.js";
import { parseFilters } from "../../content/filter-match.js";
import {
  AlreadyExistsError,
  InvalidArgumentError,
  isContainerdError,
  NotFoundError,
  UnknownError,
} from "../../errors.js";
import { parseJsonObject } from "../../oci/json.js";
import type { SpecProcess, SpecResources } from "../../oci/runtime-spec.js";
import type { HandlerContext, ServiceImpl } from "../../rpc/router.js";
import { packAny, RuntimeSpecType } from "../../typeurl.js";
import { type CallContext, callContext } from "../context.js";
import type { Daemon } from "../daemon.js";
import { checkIdentifier } from "../identifiers.js";
import type { ContainerRecord } from "../metadata/record-kinds.js";
import type { Runtime } from "../runtime/runtime.js";
import { checkpointTask } from "./checkpoint-task.js";
import { createTask } from "./create-task.js";
import { exitFields } from "./process.js";
import type { Task } from "./task.js";
import { TaskEvents } from "./task-events.js";

/** The tasks of all namespaces: containers that run, on a runtime. They end with this process. */
export function tasksService(daemon: Daemon, runtime: Runtime): ServiceImpl<typeof Tasks> {
  const tables = new Map<string, Map<string, Task>>();
  const making = new Set<string>();
  const tableOf = (namespace: string): Map<string, Task> => {
    const table = tables.get(namespace) ?? new Map<string, Task>();
    tables.set(namespace, table);
    return table;
  };
  const containerOf = ({ namespace }: CallContext, id: string): ContainerRecord => {
    const record = daemon.records(namespace, "containers").get(id);
    if (record !== undefined) return record;
    throw new NotFoundError(`container ${JSON.stringify(id)} in namespace ${JSON.stringify(namespace)}: not found`);
  };
  const find = (context: HandlerContext, id: string): { call: CallContext; container: ContainerRecord; task: Task } => {
    const call = callContext(context);
    const container = containerOf(call, id);
    const task = tableOf(call.namespace).get(id);
    if (task === undefined) throw new NotFoundError(`task ${id} not found`);
    return { call, container, task };
  };

  return {
    async create(request, context) {
      const call = callContext(context);
      const { containerId: id } = request;
      const container = containerOf(call, id);
      const table = tableOf(call.namespace);
      const key = `${call.namespace}/${id}`;
      if (table.has(id) || making.has(key)) throw new AlreadyExistsError(`task ${id}: already exists`);
      making.add(key);
      try {
        const task = await createTask(daemon, runtime, container, request, call);
        table.set(id, task);
        return { containerId: id, pid: task.init.pid };
      } finally {
        making.delete(key);
      }
    },
    async start({ containerId, execId }, context) {
      const { pid } = await find(context, containerId).task.start(execId);
      return { pid };
    },
    async delete({ containerId }, context) {
      const { call, task } = find(context, containerId);
      const exit = await task.delete("").catch((reason: unknown) => {
        if (!isContainerdError(reason, "unknown")) throw reason;
        throw new UnknownError(`failed to delete task: ${reason.message}`, { cause: reason });
      });
      tableOf(call.namespace).delete(containerId);
      const { pid } = task.init;
      new TaskEvents(daemon, call.namespace).deleted(containerId, pid, exit);
      return { pid, ...exitFields(exit) };
    },
    async deleteProcess({ containerId, execId }, context) {
      const { task } = find(context, containerId);
      const { pid } = task.process(execId);
      return { id: execId, pid, ...exitFields(await task.delete(execId)) };
    },
    async get({ containerId, execId }, context) {
      const { task } = find(context, containerId);
      return { process: task.process(execId).message(execId === "" && task.isPaused) };
    },
    async list(_request, context) {
      const { namespace } = callContext(context);
      return { tasks: [...tableOf(namespace).values()].map((task) => task.init.message(task.isPaused)) };
    },
    async kill({ containerId, execId, signal, all }, context) {
      await find(context, containerId).task.kill(execId, signal, all);
      return {};
    },
    async exec({ containerId, execId, stdin, stdout, stderr, terminal, spec }, context) {
      if (execId === "") throw new InvalidArgumentError("exec id cannot be empty");
      checkIdentifier(execId, `invalid exec id ${execId}`);
      const { task } = find(context, containerId);
      const process = { ...document<SpecProcess>(spec, RuntimeSpecType.process), terminal };
      await task.exec(execId, process, { stdin, stdout, stderr, terminal });
      return {};
    },
    async resizePty({ containerId, execId, width, height }, context) {
      await find(context, containerId).task.process(execId).runs.resize(width, height);
      return {};
    },
    async closeIO({ containerId, execId, stdin }, context) {
      const process = find(context, containerId).task.process(execId);
      if (stdin) await process.runs.closeStdin();
      return {};
    },
    async pause({ containerId }, context) {
      await find(context, containerId).task.pause();
      return {};
    },
    async resume({ containerId }, context) {
      await find(context, containerId).task.resume();
      return {};
    },
    async listPids({ containerId }, context) {
      const pids = await find(context, containerId).task.pids();
      const processes = pids.map(({ pid, execId }) =>
        execId === undefined
          ? { pid }
          : { pid, info: packAny(ProcessDetailsSchema, create(ProcessDetailsSchema, { execId })) },
      );
      return { processes };
    },
    async checkpoint({ containerId, options }, context) {
      const { call, container, task } = find(context, containerId);
      const made = await checkpointTask(daemon, container, task, options, call);
      return { descriptors: made.map(({ mediaType, digest, size }) => ({ mediaType, digest, size: BigInt(size) })) };
    },
    async update({ containerId, resources }, context) {
      const { task } = find(context, containerId);
      if (resources !== undefined) {
        await task.runs.update(document<SpecResources>(resources, RuntimeSpecType.linuxResources));
      }
      return {};
    },
    async metrics({ filters }, context) {
      const { namespace } = callContext(context);
      const matches = parseFilters(filters);
      const wanted = [...tableOf(namespace).values()].filter(({ id }) =>
        matches((path) => (path.join(".") === "id" ? id : path.join(".") === "namespace" ? namespace : undefined)),
      );
      const measured = await Promise.allSettled(
        wanted.map(async ({ id, runs }) => ({ id, timestamp: timestampNow(), data: await runs.metrics() })),
      );
      // As in a daemon, one that cannot be measured, such as one that has ended, keeps nobody from the others.
      return { metrics: measured.filter((one) => one.status === "fulfilled").map(({ value }) => value) };
    },
    async wait({ containerId, execId }, context) {
      const { call, task } = find(context, containerId);
      return exitFields(await unlessAborted(task.process(execId).exited, call.signal));
    },
  };
}

/** A part of the runtime spec as JSON. */
function document<T>(any: Any | undefined, typeUrl: string): T {
  if (any === undefined) throw new InvalidArgumentError(`Cannot read ${typeUrl}: nothing was sent`);
  if (any.typeUrl !== typeUrl && !any.typeUrl.endsWith(`/${typeUrl}`)) {
    throw new InvalidArgumentError(`type with url ${any.typeUrl}: not found`);
  }
  return parseJsonObject(any.value, typeUrl) as T;
}

async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
