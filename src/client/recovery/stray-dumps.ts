import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions } from "../../call-options.js";
import { orUndefined } from "../../content/found.js";
import { FailedPreconditionError } from "../../errors.js";
import { type DaemonDumps, removeDaemonDumps } from "../../guardian/daemon-dumps.js";
import type { Services } from "../services.js";
import { knownServer, sharedRoot } from "../shared-root.js";

/** What there may be where it cannot be looked at. */
export const STRAY_DUMP = "directory ctrd-checkpoint…, if one is there, in containerd's temporary directory";

/** Where the daemon dumps a container's memory for an operation, seen through its own mounts; `undefined` where it cannot be seen. */
export async function daemonDumps(
  services: Services,
  { containerId, startedAt }: { readonly containerId: string; readonly startedAt: Date },
  call: CallOptions,
): Promise<DaemonDumps | undefined> {
  const shared = await sharedRoot(services, call);
  const server = shared?.samePids === true ? await knownServer(services, call) : undefined;
  if (server?.pid === undefined || server.pid === 0) return undefined;
  const environ = await readFile(`/proc/${server.pid}/environ`, "utf8").catch(() => undefined);
  if (environ === undefined) return undefined;
  const variable = (name: string) =>
    environ
      .split("\0")
      .find((entry) => entry.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const path = variable("XDG_RUNTIME_DIR") || variable("TMPDIR") || "/tmp";
  const cgroup = await cgroupOf(services, containerId, call);
  const container = { namespace: services.namespace, id: containerId };
  return { path, here: join(`/proc/${server.pid}/root`, path), cgroup, container, sinceMs: startedAt.getTime() };
}

/**
 * Removes what was left there.
 *
 * @throws {FailedPreconditionError} when criu does not come to an end, or it cannot be seen
 */
export async function removeStrayDumps(dumps: DaemonDumps | undefined): Promise<void> {
  if (dumps === undefined)
    throw new FailedPreconditionError("it may have a task's memory, and only a process there can remove it");
  const { busy } = await removeDaemonDumps(dumps);
  if (busy.length > 0) throw new FailedPreconditionError(`Cannot remove ${busy.join(", ")}: it is being written to`);
}

/** How the images of a container's dump name its cgroup. */
async function cgroupOf(services: Services, containerId: string, call: CallOptions): Promise<string> {
  const container = await orUndefined(services.containers.get(containerId, call));
  const path = (await container?.spec(call))?.linux?.cgroupsPath ?? "";
  const [slice, prefix, name] = path.split(":");
  if (slice !== undefined && prefix !== undefined && name !== undefined) return `/${prefix}-${name}.scope`;
  return path.startsWith("/") ? path : `/${services.namespace}/${containerId}`;
}
