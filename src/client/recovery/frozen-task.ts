import { Tasks } from "../../api/services/tasks/v1/tasks_pb.js";
import type { CallOptions } from "../../call-options.js";
import { orUndefined } from "../../content/found.js";
import { isContainerdError } from "../../errors.js";
import { type Freezer, findFreezer } from "../../guardian/freezer.js";
import type { FrozenTask } from "../../guardian/thaw.js";
import type { ContainerRecord } from "../container-record.js";
import { processStatus } from "../process.js";
import type { Services } from "../services.js";
import { hasSamePids } from "../shared-root.js";
import { fromShim } from "../shim-errors.js";
import { unpackSpec } from "../spec-any.js";

/** A container's task, as something that may have to be resumed. `call` is asked for each call. */
export function frozenTask(services: Services, containerId: string, pid: number, call: () => CallOptions): FrozenTask {
  let freezer: Promise<Freezer | undefined> | undefined;
  return {
    pid,
    freezer: () => {
      freezer ??= freezerOf(services, containerId, pid, call()).catch((reason: unknown) => {
        // Asked again, the daemon may be back.
        freezer = undefined;
        throw reason;
      });
      return freezer;
    },
    look: async () => {
      const reply = await orUndefined(services.rpc.unary(Tasks.method.get, { containerId }, call()));
      if (reply?.process === undefined) return undefined;
      const { status } = processStatus(reply.process);
      return {
        pid: reply.process.pid,
        paused: status === "paused" || status === "pausing",
        ended: status === "stopped",
      };
    },
    resume: async () => {
      try {
        await fromShim(services.rpc.unary(Tasks.method.resume, { containerId }, call()));
        return true;
      } catch (reason) {
        if (!isContainerdError(reason) || isUnanswered(reason)) throw reason;
        return false;
      }
    },
  };
}

/** Whether a call may have been carried out all the same, or may be later. */
export function isUnanswered(reason: unknown): boolean {
  return (
    isContainerdError(reason, "unavailable") ||
    isContainerdError(reason, "deadline_exceeded") ||
    isContainerdError(reason, "canceled")
  );
}

/** The kernel's own switch for a container's task; `undefined` when it is not seen from here. */
export async function freezerOf(
  services: Services,
  containerId: string,
  pid: number,
  call: CallOptions,
): Promise<Freezer | undefined> {
  if (!services.local) return undefined;
  const record = await orUndefined(services.containers.info(containerId, call));
  return record && freezerOfRecord(services, record, pid, call);
}

/** As {@link freezerOf}, of a container whose record is known. */
export async function freezerOfRecord(
  services: Services,
  { spec }: Pick<ContainerRecord, "spec">,
  pid: number,
  call: CallOptions,
): Promise<Freezer | undefined> {
  const cgroupsPath = !services.local || spec === undefined ? undefined : unpackSpec(spec).linux?.cgroupsPath;
  if (cgroupsPath === undefined || !(await hasSamePids(services, call))) return undefined;
  return findFreezer(pid, cgroupsPath);
}
