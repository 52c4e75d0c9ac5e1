import type { CallOptions } from "../call-options.js";
import type { Services } from "./services.js";
import { knownServer } from "./shared-root.js";
import type { IOContext } from "./task-io.js";

/** What the input and output of a process of that container are made for. */
export function ioContext(services: Services, containerId: string, terminal: boolean, call: CallOptions): IOContext {
  const { namespace, local } = services;
  const serverId = async (): Promise<string | undefined> => (await knownServer(services, call))?.uuid || undefined;
  return { containerId, namespace, local, terminal, serverId };
}
