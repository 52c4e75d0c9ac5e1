import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LeaseRef } from "../../src/call-options.js";
import { readBlob, writeBlob } from "../../src/content/index.js";
import { Client, tcpTransport, unixTransport } from "../../src/index.js";
import type { Descriptor } from "../../src/oci/index.js";
import { type FaultCases, untyped } from "./case.js";
import { type Cut, CuttingRelay } from "./cutting-relay.js";
import { randomFrom } from "./random.js";
import type { Scene } from "./scene.js";

const BLOB_BYTES = 96 * 1024;
const MEDIA_TYPE = "application/octet-stream";
const DEADLINE_MS = 1_000;
const HANG_MS = DEADLINE_MS + 4_000;
/** These cost time, a stall the whole deadline: they are the rarest. */
const SLOW = 0.02;
const SLOW_HOWS: readonly Cut[] = ["stall", "throttle"];
const PREFIX = "cut:";
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
export async function* cut(scene: Scene, cases: number, seed: number = Date.now()): FaultCases {
  const random = randomFrom(seed);
  await using lease = await scene.client.leases.create();
  const blob = await writeBlob(scene.client.content, randomBytes(BLOB_BYTES), { mediaType: MEDIA_TYPE }, { lease });
  const address = join(scene.daemon.directory, `${scene.fresh("c")}.sock`);
  await using relay = await CuttingRelay.listen(address, scene.daemon.address);
  const calls = callsOn(blob, lease);
  try {
    for (const call of calls) {
      relay.cutAt(undefined);
      await using uncut = clientThrough(relay, scene.client);
      if (!(await (await call.make(uncut))(scene.client)))
        throw new Error(`${call.name} does nothing even without a cut`);
      const { up, down } = { ...relay.passed };
      for (let nth = 0; nth < Math.ceil(cases / calls.length); nth++) {
        const direction = random() < 0.5 ? "up" : "down";
        const byte = Math.floor(random() * (direction === "up" ? up : down));
        const hows = random() < SLOW ? SLOW_HOWS : HOWS;
        const how = hows[Math.floor(random() * hows.length)] ?? "close";
        relay.cutAt({ direction, byte, how });
        const trouble = await attempt(relay, scene.client, call, how);
        const name = `${call.name}, ${how} at byte ${byte} ${direction} (seed ${seed})`;
        yield { name, troubles: trouble === undefined ? [] : [trouble] };
      }
    }
  } finally {
    // What was made although nobody heard of it.
    for await (const image of scene.client.images.list())
      if (image.name.startsWith(PREFIX)) await scene.client.images.delete(image.name, { sync: true });
  }
}

/** One call over a connection of its own; what is wrong with how it ended. */
async function attempt(relay: CuttingRelay, witness: Client, call: Call, how: Cut): Promise<string | undefined> {
  const client = clientThrough(relay, witness, how);
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

function clientThrough(relay: CuttingRelay, { namespace }: Client, how?: Cut): Client {
  const transport = how === "reset" ? tcpTransport(relay.authority) : unixTransport(relay.address);
  return new Client({ transport, namespace });
}

function callsOn(blob: Descriptor, lease: LeaseRef): readonly Call[] {
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
        for await (const { digest } of client.content.list([], call)) digests.push(digest);
        return async () => digests.includes(blob.digest);
      },
    },
    {
      name: "write",
      make: async (client) => {
        const written = await writeBlob(
          client.content,
          randomBytes(BLOB_BYTES),
          { mediaType: MEDIA_TYPE },
          { ...call, lease },
        );
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
        const name = `${PREFIX}${process.pid}-${++serial}`;
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
