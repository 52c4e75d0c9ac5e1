import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Inventory } from "./auditor.js";
import { BoundaryRelay } from "./boundary-relay.js";
import type { FaultCases } from "./case.js";
import type { Scene } from "./scene.js";

/** What is done, by whom, when it is killed. */
export interface Killed {
  readonly name: string;
  /** The program to run at that address: ours, or a peer's. */
  readonly start: (scene: Scene, address: string, ref: string) => ChildProcess;
  /** Makes what the operation needs and `ref` stands for. */
  readonly prepare?: (scene: Scene) => Promise<string>;
  /** The container it makes, which may be there afterwards. */
  readonly makes?: string;
  /** Whether the image was there before and stays. */
  readonly keeps?: boolean;
}

const program = fileURLToPath(new URL("victim.js", import.meta.url));
const DEAD_MS = 1_000;

/** One of the victim program's operations. */
export function ours(what: string): Killed {
  const start = (subject: (scene: Scene) => string) => (scene: Scene, address: string, ref: string) => {
    const args = [program, what, address, scene.client.namespace, subject(scene), ref];
    return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  };
  const archive = (scene: Scene) => join(scene.daemon.directory, "checkpoint.tar");
  switch (what) {
    case "restore":
      return { name: what, makes: "thawed", start: start(() => "thawed"), prepare: frozen };
    case "export":
      return { name: what, keeps: true, start: start(archive), prepare: frozen };
    case "import":
      return {
        name: what,
        start: start(archive),
        prepare: async (scene) => {
          const ref = await frozen(scene);
          await scene.client.images.exportFile(archive(scene), ref);
          await scene.client.images.delete(ref, { sync: true });
          return ref;
        },
      };
    default:
      return { name: what, start: start(({ container }) => container.id) };
  }
}

async function frozen(scene: Scene): Promise<string> {
  const ref = scene.fresh("frozen");
  await scene.container.checkpoint(ref);
  return ref;
}

/** The same checkpoint by the daemon's own `ctr`. */
export const peer: Killed = {
  name: "checkpoint by ctr",
  start: ({ daemon, client, container }, address, ref) => {
    const words = ["containers", "checkpoint", "--image", "--rw", "--task", container.id, ref];
    const args = ["--address", address, "--namespace", client.namespace, ...words];
    return spawn(daemon.binaries.ctr, args, { stdio: ["ignore", "ignore", "inherit"] });
  },
};

/**
 * Kills the one who asks at every boundary of its calls: the first, the second, … until it comes through alive. One second
 * after each death the task must run; what is half done must not look whole; and a sweep must leave nothing.
 */
export async function* killClient(scene: Scene, killed: Killed, step = 1): FaultCases {
  const prepared = await killed.prepare?.(scene);
  for (let nth = 1; ; nth += step) {
    const ref = prepared ?? scene.fresh("cp");
    const before = await scene.auditor.inventory();
    const { fired, boundary } = await killedAt(scene, killed, ref, nth);
    const troubles = await judge(scene, killed, ref, before);
    yield { name: `${killed.name}, killed at boundary ${nth} (${fired ? boundary : "never came"})`, troubles };
    if (!fired) return;
  }
}

async function killedAt(
  scene: Scene,
  killed: Killed,
  ref: string,
  nth: number,
): Promise<{ fired: boolean; boundary: string }> {
  let child: ChildProcess | undefined;
  let boundary = "";
  const address = join(scene.daemon.directory, `${scene.fresh("k")}.sock`);
  await using _relay = await BoundaryRelay.listen(address, scene.daemon.address, (count, what) => {
    if (count !== nth) return undefined;
    boundary = what;
    child?.kill("SIGKILL");
    return "cut";
  });
  child = killed.start(scene, address, ref);
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  if (signal !== "SIGKILL" && code !== 0) throw new Error(`${killed.name} failed by itself with ${code}`);
  // The relay stays a while: the guardian reaches the daemon through it.
  if (signal === "SIGKILL") await sleep(DEAD_MS);
  return { fired: signal === "SIGKILL", boundary };
}

/** What the auditor finds wrong after a death, and after the sweep that follows it. */
async function judge(scene: Scene, killed: Killed, ref: string, before: Inventory): Promise<string[]> {
  const { auditor, container } = scene;
  const troubles: string[] = [];
  const makesImage = killed.makes === undefined && killed.keeps !== true;
  const missing = makesImage ? await auditor.missingOf(ref) : undefined;
  if (missing !== undefined && missing.length > 0)
    troubles.push(`${ref} is half an image: it lacks ${missing.join(", ")}`);
  const ended = missing !== undefined && (await auditor.taskState(container.id)) === "STOPPED";
  const stuck = ended ? undefined : await scene.trouble(0);
  if (stuck !== undefined) troubles.push(stuck);
  for (const path of await auditor.leaksOf(scene.secret)) troubles.push(`memory lies open in ${path}`);
  await scene.client.sweep();
  if (missing !== undefined) await auditor.ctr("images", "rm", "--sync", ref);
  if (killed.makes !== undefined) await auditor.discard(killed.makes);
  troubles.push(...(await auditor.residue(before)).map((what) => `left behind: ${what}`));
  if (ended || stuck !== undefined) await scene.renew();
  return troubles;
}
