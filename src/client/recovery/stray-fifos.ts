import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Tasks } from "../../api/services/tasks/v1/tasks_pb.js";
import type { CallOptions } from "../../call-options.js";
import { FIFO_OWNER_FILE, FIFO_PREFIX, FIFO_ROOT } from "../fifo.js";
import type { Services } from "../services.js";
import { knownServer } from "../shared-root.js";
import { fateOf, fieldsOf, parseOwner } from "./owner.js";

/**
 * The directories of named pipes for this namespace of this daemon that processes left which are gone; those of tasks
 * that are there are not among them.
 */
export async function strayFifos(services: Services, call: CallOptions): Promise<string[]> {
  if (!services.local) return [];
  const server = await knownServer(services, call);
  if (server === undefined || server.uuid === "") return [];
  const names = await readdir(FIFO_ROOT).catch(() => []);
  const left: string[] = [];
  for (const name of names.filter((one) => one.startsWith(FIFO_PREFIX))) {
    const directory = join(FIFO_ROOT, name);
    const written = await readFile(join(directory, FIFO_OWNER_FILE), "utf8").catch(() => "");
    // Only this daemon can tell that no task uses them, and it is asked for this namespace alone.
    const { serverId, namespace } = fieldsOf(written);
    if (serverId !== server.uuid || namespace !== services.namespace) continue;
    const owner = parseOwner(written);
    if (owner !== undefined && fateOf(owner, directory) === "dead") left.push(directory);
  }
  const used = await usedDirectories(services, call);
  return left.filter((directory) => !used.has(directory));
}

/** Where the tasks of the namespace have their input and output. */
async function usedDirectories({ rpc }: Services, call: CallOptions): Promise<Set<string>> {
  const { tasks } = await rpc.unary(Tasks.method.list, {}, call);
  return new Set(tasks.flatMap(({ stdin, stdout, stderr }) => [stdin, stdout, stderr].map((path) => dirname(path))));
}
