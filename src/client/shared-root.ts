import { access, constants, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CallOptions } from "../call-options.js";
import { isNotImplemented } from "../errors.js";
import type { ServerInfo } from "./introspection.js";
import { remember } from "./remembered.js";
import type { Services } from "./services.js";

const LOOK_MS = 10_000;

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

/** The daemon's root directory, when it is the same directory for this process, and may be written to. */
export async function sharedRoot(services: Services, call: CallOptions): Promise<SharedRoot | undefined> {
  const shared = await visibleRoot(services, call);
  if (shared === undefined || !(await isWritable(shared.root))) return undefined;
  return shared;
}

/** The root of the daemon's content store, when it is the same directory for this process. */
export async function visibleContent(services: Services): Promise<string | undefined> {
  return (await visibleRoot(services, { timeoutMs: LOOK_MS }))?.content;
}

/** The same path may be another directory in another mount namespace: the id that the daemon calls itself by must stand in its file. */
async function visibleRoot(services: Services, call: CallOptions): Promise<SharedRoot | undefined> {
  if (!services.local) return undefined;
  return remember(services, "visible root", async () => {
    const [content, server] = await Promise.all([services.introspection.contentRoot(call), serverOf(services, call)]);
    if (content === undefined || server === undefined) return undefined;
    const { uuid, pidNamespace } = server;
    const root = dirname(content);
    if (uuid === "" || !(await isInstallation(root, uuid))) return undefined;
    const own = await stat("/proc/self/ns/pid", { bigint: true }).catch(() => undefined);
    const samePids = pidNamespace === undefined || pidNamespace === own?.ino;
    return { root, content, samePids };
  });
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

async function serverOf(services: Services, call: CallOptions): Promise<ServerInfo | undefined> {
  try {
    return await services.introspection.server(call);
  } catch (reason) {
    if (isNotImplemented(reason)) return undefined;
    throw reason;
  }
}
