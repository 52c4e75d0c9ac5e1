import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeBlob } from "../../src/content/index.js";
import { Client, tcpTransport, unixTransport } from "../../src/index.js";
import { type FaultCases, untyped } from "./case.js";
import { BLOB_BYTES, type Call, callsOn, DEADLINE_MS, MEDIA_TYPE, PREFIX, smallArchive } from "./cut-calls.js";
import { type Cut, type CutAt, CuttingRelay } from "./cutting-relay.js";
import { randomFrom } from "./random.js";
import type { Scene } from "./scene.js";

const HANG_MS = DEADLINE_MS + 4_000;
/** What it made is undone first, and each thing has some seconds for that. */
const MENDS_HANG_MS = 20_000;
/** These cost time, a stall the whole deadline: they are the rarest. */
const SLOW = 0.02;
const SLOW_HOWS: readonly Cut[] = ["stall", "throttle"];
const HOWS: readonly Cut[] = ["close", "reset", "half-close"];

/**
 * Cuts the socket after some byte of a call, either way, in several manners. The call ends, and what it says it did is
 * done.
 */
export async function* cut(scene: Scene, cases: number, seed: number = Date.now()): FaultCases {
  const random = randomFrom(seed);
  const { client, auditor } = scene;
  const before = await auditor.inventory();
  const lease = await client.leases.create();
  const blob = await writeBlob(client.content, randomBytes(BLOB_BYTES), { mediaType: MEDIA_TYPE }, { lease });
  const address = join(scene.daemon.directory, `${scene.fresh("c")}.sock`);
  await using relay = await CuttingRelay.listen(address, scene.daemon.address);
  const calls = callsOn(blob, lease, await smallArchive(client, lease));
  try {
    for (const call of calls) {
      relay.cutAt(undefined);
      await using uncut = clientThrough(relay, client);
      if (!(await (await call.make(uncut))(client))) throw new Error(`${call.name} does nothing even without a cut`);
      const { up, down } = { ...relay.passed };
      for (let nth = 0; nth < Math.ceil(cases / calls.length); nth++) {
        const at = randomCut(random, { up, down });
        relay.cutAt({ ...at, once: call.mends ?? false });
        const trouble = await attempt(relay, client, call, at.how);
        const name = `${call.name}, ${at.how} at byte ${at.byte} ${at.direction} (seed ${seed})`;
        yield { name, troubles: trouble === undefined ? [] : [trouble] };
      }
    }
  } finally {
    // What was made although nobody heard of it.
    for await (const image of client.images.list())
      if (image.name.startsWith(PREFIX)) await client.images.delete(image.name, { sync: true });
    await client.leases.delete(lease, { sync: true });
  }
  await client.sweep();
  const left = (await auditor.residue(before)).map((what) => `left behind: ${what}`);
  yield { name: "after all of them", troubles: left };
}

/** Somewhere in what such a call sends and gets, in some manner. */
export function randomCut(random: () => number, { up, down }: { readonly up: number; readonly down: number }): CutAt {
  const direction = random() < 0.5 ? "up" : "down";
  const byte = Math.floor(random() * (direction === "up" ? up : down));
  const hows = random() < SLOW ? SLOW_HOWS : HOWS;
  return { direction, byte, how: hows[Math.floor(random() * hows.length)] ?? "close" };
}

/** One call over a connection of its own; what is wrong with how it ended. */
async function attempt(relay: CuttingRelay, witness: Client, call: Call, how: Cut): Promise<string | undefined> {
  const client = clientThrough(relay, witness, how);
  const hangs = new AbortController();
  const late = sleep(call.mends === true ? MENDS_HANG_MS : HANG_MS, "it hangs", { signal: hangs.signal }).catch(
    () => undefined,
  );
  const ended = call.make(client).then(
    async (isTrue) => ((await isTrue(witness)) ? undefined : "a success that is none"),
    (reason: unknown) => untyped(reason)[0],
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    hangs.abort();
    await client.close();
  }
}

export function clientThrough(relay: CuttingRelay, { namespace }: Client, how?: Cut): Client {
  const transport = how === "reset" ? tcpTransport(relay.authority) : unixTransport(relay.address);
  return new Client({ transport, namespace });
}
