import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isNotFound } from "../../src/index.js";
import { all } from "../suites/content-bed.js";
import { BoundaryRelay } from "./boundary-relay.js";
import type { FaultCases, Share } from "./case.js";
import type { Scene } from "./scene.js";

/** What is done to a named checkpoint, and where it is kept. */
export interface KilledNamed {
  readonly what: "create" | "delete";
  readonly home: "images" | "directories";
  /** Whether the boundaries are those of calls to the daemon, or those of changes to files. */
  readonly boundaries: "calls" | "files";
}

const program = fileURLToPath(new URL("named-victim.js", import.meta.url));
const DEAD_MS = 1_000;
const OTHER = "other";

/**
 * Kills the one who makes or deletes a named checkpoint at every boundary of its calls, or of its changes to files. Afterwards the
 * task must run, the list must tell what is whole and nothing else, the other checkpoint must be as it was; and a sweep must leave
 * nothing.
 */
export async function* killNamed(scene: Scene, killed: KilledNamed, share: Share): FaultCases {
  const { what, home, boundaries } = killed;
  const checkpointDir = home === "directories" ? join(scene.daemon.directory, scene.fresh("checkpoints")) : undefined;
  const at = checkpointDir === undefined ? {} : { checkpointDir };
  const { container, auditor } = scene;
  await container.checkpoints.create(OTHER, at);
  for (let nth = 1 + share.at; ; nth += share.of) {
    const before = await auditor.inventory();
    const name = scene.fresh("cp");
    if (what === "delete") await container.checkpoints.create(name, at);
    const fired = await victim(scene, killed, name, checkpointDir ?? "", nth);
    const troubles: string[] = [];
    const stuck = await scene.trouble(0);
    if (stuck !== undefined) troubles.push(stuck);
    for (const path of await auditor.leaksOf(scene.secret)) troubles.push(`memory lies open in ${path}`);
    const names = (await all(container.checkpoints.list(at))).map((one) => one.name);
    if (!names.includes(OTHER)) troubles.push("the other checkpoint is gone");
    const strange = names.filter((one) => one !== OTHER && one !== name);
    if (strange.length > 0) troubles.push(`listed are ${strange.join(", ")}`);
    if (!fired && names.includes(name) !== (what === "create"))
      troubles.push(`it came through, but: ${names.join(", ")}`);
    if (names.includes(name)) troubles.push(...(await notWhole(scene, name, checkpointDir)));
    await scene.client.sweep();
    await container.checkpoints.delete(name, at).catch((reason: unknown) => {
      if (!isNotFound(reason)) throw reason;
      if (names.includes(name)) troubles.push("what was listed cannot be deleted");
    });
    const entries = checkpointDir === undefined ? [] : await readdir(checkpointDir);
    troubles.push(...entries.filter((one) => one !== OTHER).map((one) => `left behind: directory ${one}`));
    troubles.push(...(await auditor.residue(before)).map((one) => `left behind: ${one}`));
    yield { name: `${what} in ${home}, killed at boundary ${nth} of ${boundaries}`, troubles };
    if (!fired) break;
  }
  await container.checkpoints.delete(OTHER, at);
}

/** Whether it died: it may have come through before that boundary. */
async function victim(
  scene: Scene,
  { what, boundaries }: KilledNamed,
  name: string,
  checkpointDir: string,
  nth: number,
): Promise<boolean> {
  const { daemon, client, container } = scene;
  const start = (address: string, own: number) => {
    const args = [program, what, address, client.namespace, container.id, name, checkpointDir, String(own)];
    return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  };
  let child = boundaries === "files" ? start(daemon.address, nth) : undefined;
  const address = join(daemon.directory, `${scene.fresh("k")}.sock`);
  await using _relay = await BoundaryRelay.listen(address, daemon.address, (count) => {
    if (count !== nth) return undefined;
    child?.kill("SIGKILL");
    return "cut";
  });
  child ??= start(address, 0);
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  if (signal !== "SIGKILL" && code !== 0) throw new Error(`${what} failed by itself with ${code}`);
  // The relay stays a while: the guardian reaches the daemon through it.
  if (signal === "SIGKILL") await sleep(DEAD_MS);
  return signal === "SIGKILL";
}

/** What is wrong with a checkpoint that is listed. A directory is read file by file by those who list it. */
async function notWhole({ auditor, container }: Scene, name: string, checkpointDir?: string): Promise<string[]> {
  const { checkpoint } = await container.checkpoints.get(name, checkpointDir === undefined ? {} : { checkpointDir });
  if (checkpoint?.ref === undefined) return [];
  const missing = (await auditor.missingOf(checkpoint.ref)) ?? [];
  return missing.map((digest) => `${name} is listed and lacks ${digest}`);
}
