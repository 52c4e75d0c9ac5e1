import { access, constants, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CallOptions } from "../call-options.js";
import { isNotImplemented } from "../errors.js";
import { knownPlugins } from "./features.js";
import { contentRootOf, type ServerInfo } from "./introspection.js";
import { remember } from "./remembered.js";
import type { Services } from "./services.js";

const LOOK_MS = 10_000;
const CONTENT = "io.containerd.content.v1.content";

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
 * The daemon's root directory, when it is the same directory for this process, and may be written to. `within` is a path the daemon
 * has named; when that lies in its root, it need not be asked where that is.
 */
export async function sharedRoot(
  services: Services,
  call: CallOptions,
  within?: string,
): Promise<SharedRoot | undefined> {
  const shared = await visibleRoot(services, call, within);
  if (shared === undefined || !(await isWritable(shared.root))) return undefined;
  return shared;
}

/** The root of the daemon's content store, when it is the same directory for this process. */
export async function visibleContent(services: Services): Promise<string | undefined> {
  return (await visibleRoot(services, { timeoutMs: LOOK_MS }))?.content;
}

/** The same path may be another directory in another mount namespace: the id that the daemon calls itself by must stand in its file. */
async function visibleRoot(services: Services, call: CallOptions, within?: string): Promise<SharedRoot | undefined> {
  if (!services.local) return undefined;
  return remember(services, "visible root", call, async (own) => {
    const server = await knownServer(services, own);
    if (server === undefined || server.uuid === "") return undefined;
    const { uuid, pidNamespace } = server;
    const above = within === undefined ? undefined : await rootAbove(within, uuid);
    const content = above === undefined ? contentRootOf(await knownPlugins(services, own)) : join(above, CONTENT);
    if (content === undefined) return undefined;
    const root = dirname(content);
    if (!(await isInstallation(root, uuid))) return undefined;
    return { root, content, samePids: await isOwnPidNamespace(pidNamespace) };
  });
}

/** Whether a process id of the daemon's names the same process here, wherever it keeps its files. */
export async function hasSamePids(services: Services, call: CallOptions): Promise<boolean> {
  if (!services.local) return false;
  const server = await knownServer(services, call);
  return server !== undefined && isOwnPidNamespace(server.pidNamespace);
}

async function isOwnPidNamespace(inode: bigint | undefined): Promise<boolean> {
  const own = await stat("/proc/self/ns/pid", { bigint: true }).catch(() => undefined);
  return inode === undefined || inode === own?.ino;
}

/** The directory above a path in which a daemon of that id keeps its files. */
async function rootAbove(path: string, uuid: string): Promise<string | undefined> {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    if ((await isInstallation(at, uuid)) && (await isDirectory(join(at, CONTENT)))) return at;
  }
  return undefined;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

async function isInstallation(root: string, uuid: string): Promise<boolean> {
  const path = join(root, "io.containerd.grpc.v1.introspection", "uuid");
  const written = await readFile(path, "utf8").catch(() => "");
  return written.trim() === uuid;
}

/** Which daemon it is; `undefined` when it cannot be asked. Asked for once a minute at most. */
export function knownServer(services: Services, call: CallOptions): Promise<ServerInfo | undefined> {
  return remember(services, "server", call, async (own) => {
    try {
      return await services.introspection.server(own);
    } catch (reason) {
      if (isNotImplemented(reason)) return undefined;
      throw reason;
    }
  });
}
