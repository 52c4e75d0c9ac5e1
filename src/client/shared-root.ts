import { access, constants, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CallOptions } from "../call-options.js";
import { isNotImplemented } from "../errors.js";
import { knownPlugins } from "./features.js";
import { contentRootOf, type ServerInfo } from "./introspection.js";
import { remember } from "./remembered.js";
import type { Services } from "./services.js";

/**
 * Where a daemon keeps its files.
 *
 * @inline
 */
export interface SharedRoot {
  /** Its root directory. */
  readonly root: string;
  /** Its content store. */
  readonly content: string;
  /** Whether a process id of the daemon's names the same process here; before containerd 1.7 that is taken for granted. */
  readonly samePids: boolean;
}

/**
 * The daemon's root directory, when it is the same directory for this process, and may be written to. The same path may be
 * another one in another mount namespace: the id that the daemon calls itself by must stand in the file it keeps it in.
 */
export async function sharedRoot(services: Services, call: CallOptions): Promise<SharedRoot | undefined> {
  if (!services.local) return undefined;
  return remember(services, "shared root", async () => {
    const [plugins, server] = await Promise.all([knownPlugins(services, call), serverOf(services, call)]);
    const content = contentRootOf(plugins);
    if (content === undefined || server === undefined) return undefined;
    const { uuid, pidNamespace } = server;
    const root = dirname(content);
    const file = join(root, "io.containerd.grpc.v1.introspection", "uuid");
    const written = await readFile(file, "utf8").catch(() => "");
    if (uuid === "" || written.trim() !== uuid) return undefined;
    const own = await stat("/proc/self/ns/pid", { bigint: true }).catch(() => undefined);
    const samePids = pidNamespace === undefined || pidNamespace === own?.ino;
    return access(root, constants.W_OK).then(
      () => ({ root, content, samePids }),
      () => undefined,
    );
  });
}

async function serverOf(services: Services, call: CallOptions): Promise<ServerInfo | undefined> {
  try {
    return await services.introspection.server(call);
  } catch (reason) {
    if (isNotImplemented(reason)) return undefined;
    throw reason;
  }
}
