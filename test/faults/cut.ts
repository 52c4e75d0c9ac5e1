import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readBlob, writeBlob } from "../../src/content/index.js";
import { Client, unixTransport } from "../../src/index.js";
import type { Descriptor } from "../../src/oci/index.js";
import { type FaultCases, untyped } from "./case.js";
import { type Cut, CuttingRelay } from "./cutting-relay.js";
import { randomFrom } from "./random.js";
import type { Scene } from "./scene.js";

const BLOB_BYTES = 96 * 1024;
const MEDIA_TYPE = "application/octet-stream";
const DEADLINE_MS = 1_000;
const HANG_MS = DEADLINE_MS + 4_000;
/** A stall costs the whole deadline, so it is the rarest. */
const STALLS = 0.02;
const HOWS: readonly Cut[] = ["close", "reset", "half-close"];

interface Call {
  readonly name: string;
  /** Makes the call; resolves to a look, over a connection nobody cuts, whether its success is true. */
  make(client: Client): Promise<(witness: Client) => Promise<boolean>>;
}

/**
 * Cuts the socket after some byte of a call, either way, in several manners. The call ends, and what it says it did is
 * done.
 */
export async function* cut(scene: Scene, cases: number, seed = Date.now()): FaultCases {
  const random = randomFrom(seed);
  const blob = await writeBlob(scene.client.content, randomBytes(BLOB_BYTES), { mediaType: MEDIA_TYPE });
  await scene.client.images.create(scene.fresh("keeps-the-blob"), blob);
  const address = join(scene.daemon.directory, `${scene.fresh("c")}.sock`);
  await using relay = await CuttingRelay.listen(address, scene.daemon.address);
  const calls = callsOn(blob);
  for (const call of calls) {
    relay.cutAt(undefined);
    const uncut = await attempt(relay, scene.client, call);
    if (uncut !== undefined) throw new Error(`${call.name} fails without a cut: ${uncut}`);
    const { up, down } = { ...relay.passed };
    for (let nth = 0; nth < Math.ceil(cases / calls.length); nth++) {
      const direction = random() < 0.5 ? "up" : "down";
      const byte = Math.floor(random() * (direction === "up" ? up : down));
      const how = random() < STALLS ? "stall" : (HOWS[Math.floor(random() * HOWS.length)] ?? "close");
      relay.cutAt({ direction, byte, how });
      const trouble = await attempt(relay, scene.client, call);
      const name = `${call.name}, ${how} at byte ${byte} ${direction} (seed ${seed})`;
      yield { name, troubles: trouble === undefined ? [] : [trouble] };
    }
  }
}

/** One call over a connection of its own; what is wrong with how it ended. */
async function attempt(relay: CuttingRelay, witness: Client, call: Call): Promise<string | undefined> {
  const client = new Client({ transport: unixTransport(relay.address), namespace: witness.namespace });
  const hangs = new AbortController();
  const late = sleep(HANG_MS, "it hangs", { signal: hangs.signal }).catch(() => undefined);
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

function callsOn(blob: Descriptor): readonly Call[] {
  const call = { timeoutMs: DEADLINE_MS };
  let serial = 0;
  return [
    {
      name: "version",
      make: async (client) => {
        const { version } = await client.version(call);
        return async (witness) => (await witness.version()).version === version;
      },
    },
    {
      name: "read",
      make: async (client) => {
        const bytes = await readBlob(client.content, blob, call);
        return async (witness) => Buffer.compare(await readBlob(witness.content, blob), bytes) === 0;
      },
    },
    {
      name: "list",
      make: async (client) => {
        const digests: string[] = [];
        for await (const { digest } of client.content.list([`digest==${blob.digest}`], call)) digests.push(digest);
        return async () => digests.length === 1 && digests[0] === blob.digest;
      },
    },
    {
      name: "write",
      make: async (client) => {
        const written = await writeBlob(client.content, randomBytes(BLOB_BYTES), { mediaType: MEDIA_TYPE }, call);
        return async (witness) => {
          const { size } = await witness.content.info(written.digest);
          await witness.content.delete(written.digest);
          return size === BLOB_BYTES;
        };
      },
    },
    {
      name: "create image",
      make: async (client) => {
        const name = `cut:${process.pid}-${++serial}`;
        await client.images.create(name, blob, call);
        return async (witness) => {
          const { target } = await witness.images.get(name);
          await witness.images.delete(name);
          return target.digest === blob.digest;
        };
      },
    },
  ];
}
