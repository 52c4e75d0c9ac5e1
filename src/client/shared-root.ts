import { access, constants, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CallOptions } from "../call-options.js";
import { isNotImplemented } from "../errors.js";
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
}

/**
 * The daemon's root directory, when it is the same directory for this process, and may be written to. The same path may be another one in another
 * mount namespace: the id that the daemon calls itself by must stand in the file it keeps it in.
 */
export async function sharedRoot(services: Services, call: CallOptions): Promise<SharedRoot | undefined> {
  if (!services.local) return undefined;
  return remember(services, "shared root", async () => {
    const [content, uuid] = await Promise.all([services.introspection.contentRoot(call), daemonId(services, call)]);
    if (content === undefined) return undefined;
    const root = dirname(content);
    const file = join(root, "io.containerd.grpc.v1.introspection", "uuid");
    const written = await readFile(file, "utf8").catch(() => "");
    if (uuid === "" || written.trim() !== uuid) return undefined;
    return access(root, constants.W_OK).then(
      () => ({ root, content }),
      () => undefined,
    );
  });
}

async function daemonId(services: Services, call: CallOptions): Promise<string> {
  try {
    return (await services.introspection.server(call)).uuid;
  } catch (reason) {
    if (isNotImplemented(reason)) return "";
    throw reason;
  }
}
