import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Tasks } from "../../api/services/tasks/v1/tasks_pb.js";
import type { CallOptions } from "../../call-options.js";
import { FIFO_OWNER_FILE, FIFO_PREFIX, FIFO_ROOT } from "../fifo.js";
import { Namespaces } from "../namespaces.js";
import type { Services } from "../services.js";
import { fateOf, parseOwner } from "./owner.js";

/** The directories of named pipes that processes left which are gone; those of tasks that are there are not among them. */
export async function strayFifos(services: Services, call: CallOptions): Promise<string[]> {
  if (!services.local) return [];
  const names = await readdir(FIFO_ROOT).catch(() => []);
  const left: string[] = [];
  for (const name of names.filter((one) => one.startsWith(FIFO_PREFIX))) {
    const directory = join(FIFO_ROOT, name);
    const owner = parseOwner(await readFile(join(directory, FIFO_OWNER_FILE), "utf8").catch(() => undefined));
    if (owner !== undefined && fateOf(owner, directory) === "dead") left.push(directory);
  }
  const used = await usedDirectories(services, call);
  return left.filter((directory) => !used.has(directory));
}

/** Where the tasks of all namespaces have their input and output. */
async function usedDirectories({ rpc }: Services, call: CallOptions): Promise<Set<string>> {
  const used = new Set<string>();
  for await (const { name } of new Namespaces(rpc).list(call)) {
    const { tasks } = await rpc.inNamespace(name).unary(Tasks.method.list, {}, call);
    for (const { stdin, stdout, stderr } of tasks) {
      for (const path of [stdin, stdout, stderr]) used.add(dirname(path));
    }
  }
  return used;
}
