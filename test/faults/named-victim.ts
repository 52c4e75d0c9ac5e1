import callbackFs from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { connect } from "../../src/index.js";

/** What changes files; each is a boundary before it and one after it. */
const changes = ["mkdir", "rename", "rm", "writeFile", "link", "copyFile"] as const;
const changesAtOnce = ["mkdirSync", "renameSync"] as const;

/** Has this process killed at the `nth` boundary of its changes to files below a directory; never when that is 0. */
function dieAt(nth: number, directory: string): void {
  let seen = 0;
  const boundary = () => {
    if (++seen === nth) process.kill(process.pid, "SIGKILL");
  };
  const isWatched = (args: readonly unknown[]) =>
    args.slice(0, 2).some((path) => typeof path === "string" && path.startsWith(directory));
  const patched = fs as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>;
  for (const name of changes) {
    const change = patched[name];
    if (change === undefined) throw new Error(`Node has no ${name}`);
    patched[name] = async (...args) => {
      const watched = isWatched(args);
      if (watched) boundary();
      if (watched && name === "rm") await removeOne(String(args[0]), boundary);
      const done = await change(...args);
      if (watched) boundary();
      return done;
    };
  }
  const patchedAtOnce = callbackFs as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
  for (const name of changesAtOnce) {
    const change = patchedAtOnce[name];
    if (change === undefined) throw new Error(`Node has no ${name}`);
    patchedAtOnce[name] = (...args) => {
      if (!isWatched(args)) return change(...args);
      boundary();
      const done = change(...args);
      boundary();
      return done;
    };
  }
  syncBuiltinESMExports();
}

/** A directory goes file by file: there are boundaries in the middle, too. */
async function removeOne(path: string, boundary: () => void): Promise<void> {
  const [first] = await fs.readdir(path).catch(() => []);
  if (first === undefined) return;
  await fs.unlink(join(path, first));
  boundary();
}

/** Run as a program of its own: makes or deletes a named checkpoint. Somebody kills it meanwhile, or it dies by itself. */
async function main(args: readonly string[]): Promise<void> {
  const [what = "", address = "", namespace = "", id = "", name = "", checkpointDir = "", nth = "0"] = args;
  if (nth !== "0") dieAt(Number(nth), checkpointDir);
  const at = checkpointDir === "" ? {} : { checkpointDir };
  const client = await connect({ address, namespace });
  const { checkpoints } = await client.containers.get(id);
  if (what === "create") await checkpoints.create(name, at);
  else await checkpoints.delete(name, at);
  await client.close();
}

await main(process.argv.slice(2));
