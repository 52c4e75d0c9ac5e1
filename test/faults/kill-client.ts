import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Inventory } from "./auditor.js";
import { BoundaryRelay } from "./boundary-relay.js";
import type { FaultCases, Share } from "./case.js";
import type { Killed } from "./killed.js";
import type { Scene } from "./scene.js";

const DEAD_MS = 1_000;

/**
 * Kills the one who asks at every boundary of its calls: the first, the second, … until it comes through alive. One second
 * after each death the task must run; what is half done must not look whole; and a sweep must leave nothing.
 */
export async function* killClient(scene: Scene, killed: Killed, { at, of }: Share): FaultCases {
  const prepared = await killed.prepare?.(scene);
  for (let nth = 1 + at; ; nth += of) {
    const ref = prepared ?? scene.fresh("cp");
    const before = await scene.auditor.inventory();
    const open = new Set(await scene.auditor.leaksOf(scene.secret));
    const { fired, boundary } = await killedAt(scene, killed, ref, nth);
    const troubles = await judge(scene, killed, ref, before, open);
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

/** What the auditor finds wrong after a death, and after what can be done about it. */
async function judge(
  scene: Scene,
  killed: Killed,
  ref: string,
  before: Inventory,
  open: ReadonlySet<string>,
): Promise<string[]> {
  const { auditor, container } = scene;
  const troubles: string[] = [];
  const makesImage = killed.makes === undefined && killed.keeps !== true;
  const missing = makesImage ? await auditor.missingOf(ref) : undefined;
  if (missing !== undefined && missing.length > 0)
    troubles.push(`${ref} is half an image: it lacks ${missing.join(", ")}`);
  const ended = missing !== undefined && (await auditor.taskState(container.id)) === "STOPPED";
  const stuck = ended ? undefined : await scene.trouble(0);
  if (stuck !== undefined) troubles.push(stuck);
  for (const path of await auditor.leaksOf(scene.secret)) {
    if (!open.has(path)) troubles.push(`memory lies open in ${path}`);
  }
  await killed.tidy(scene);
  if (missing !== undefined) await auditor.ctr("images", "rm", "--sync", ref);
  if (killed.makes !== undefined) await auditor.discard(killed.makes);
  troubles.push(...(await auditor.residue(before)).map((what) => `left behind: ${what}`));
  if (killed.files !== undefined) troubles.push(...(await killed.files(scene)));
  if (ended || stuck !== undefined) await scene.renew();
  return troubles;
}
