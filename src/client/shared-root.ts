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
 * another one in another mount namespace: the id that the daemon calls itself by must stand in the file it keeps it in. `within` is
 * a path the daemon has named; when that lies in its root, it need not be asked where that is.
 */
export async function sharedRoot(
  services: Services,
  call: CallOptions,
  within?: string,
): Promise<SharedRoot | undefined> {
  if (!services.local) return undefined;
  return remember(services, "shared root", async () => {
    const server = await knownServer(services, call);
    const uuid = server?.uuid ?? "";
    if (server === undefined || uuid === "") return undefined;
    const above = within === undefined ? undefined : await rootAbove(within, uuid);
    const content = above === undefined ? contentRootOf(await knownPlugins(services, call)) : join(above, CONTENT);
    const root = above ?? dirname(content ?? "");
    if (content === undefined || !(await isRoot(root, uuid))) return undefined;
    const own = await stat("/proc/self/ns/pid", { bigint: true }).catch(() => undefined);
    const samePids = server.pidNamespace === undefined || server.pidNamespace === own?.ino;
    return access(root, constants.W_OK).then(
      () => ({ root, content, samePids }),
      () => undefined,
    );
  });
}

const CONTENT = "io.containerd.content.v1.content";

/** The directory above a path in which a daemon of that id keeps its files. */
async function rootAbove(path: string, uuid: string): Promise<string | undefined> {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    if ((await isRoot(at, uuid)) && (await isDirectory(join(at, CONTENT)))) return at;
  }
  return undefined;
}

async function isRoot(path: string, uuid: string): Promise<boolean> {
  const file = join(path, "io.containerd.grpc.v1.introspection", "uuid");
  return (await readFile(file, "utf8").catch(() => "")).trim() === uuid;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Which daemon it is; `undefined` when it cannot be asked. Asked for once a minute at most. */
export function knownServer(services: Services, call: CallOptions): Promise<ServerInfo | undefined> {
  return remember(services, "server", async () => {
    try {
      return await services.introspection.server(call);
    } catch (reason) {
      if (isNotImplemented(reason)) return undefined;
      throw reason;
    }
  });
}
