import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Status } from "../../../src/api/types/task/task_pb.js";
import { Client, tcpTransport, unixTransport } from "../../../src/index.js";
import { FakeDaemon } from "../../rpc/fake-daemon.js";
import { untyped } from "../case.js";
import { randomFrom } from "../random.js";
import { HonestDaemon } from "./honest-daemon.js";
import type { Answer, Lie, ServiceLie, WireLie } from "./lie.js";
import { MemoryWatch } from "./memory-watch.js";

const DEADLINE_MS = 2_000;
const HANG_MS = 10_000;
const MOST_BYTES = 64 * 1024 * 1024;
const NAMESPACE = "lies";

/** Tells a lie once, over each transport where the wire matters; what is wrong with how the library took it. */
export async function tell(lie: Lie, seed: number): Promise<string[]> {
  if (!("tell" in lie)) return byService(lie, seed);
  return [...(await overSocket(lie, seed)), ...(await overTcp(lie, seed))];
}

/** Neighbouring seeds begin with nearly the same numbers: they are taken apart first. */
function scattered(seed: number): () => number {
  const mixed = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
  return randomFrom(Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35));
}

async function overSocket(lie: WireLie, seed: number): Promise<string[]> {
  const random = scattered(seed);
  const path = join(tmpdir(), `lie-${randomUUID()}.sock`);
  await using _daemon = await FakeDaemon.listen({ path }, (call) => lie.tell(call, random));
  await using client = new Client({ transport: unixTransport(path), namespace: NAMESPACE });
  return await answered(lie, (call) => lie.ask({ client, call, random }));
}

async function overTcp(lie: WireLie, seed: number): Promise<string[]> {
  const random = scattered(seed);
  await using daemon = await FakeDaemon.listen({ port: 0, host: "127.0.0.1" }, (call) => lie.tell(call, random));
  await using client = new Client({ transport: tcpTransport(`127.0.0.1:${daemon.port}`), namespace: NAMESPACE });
  const troubles = await answered(lie, (call) => lie.ask({ client, call, random }));
  return troubles.map((trouble) => `over TCP: ${trouble}`);
}

async function byService(lie: ServiceLie, seed: number): Promise<string[]> {
  const random = scattered(seed);
  const daemon = new HonestDaemon();
  const transport = daemon.transport(await lie.lie(daemon, random));
  await using client = new Client({ transport, namespace: NAMESPACE });
  const troubles = await answered(lie, (call) => lie.ask({ client, call, random, daemon }));
  return daemon.status === Status.PAUSED ? [...troubles, "the task stays paused"] : troubles;
}

async function answered(lie: Lie, ask: (call: { readonly timeoutMs: number }) => Promise<Answer>): Promise<string[]> {
  const timeoutMs = lie.deadlineMs ?? DEADLINE_MS;
  using memory = new MemoryWatch(MOST_BYTES);
  const hangs = new AbortController();
  const late = sleep(timeoutMs + HANG_MS, ["it hangs"], { signal: hangs.signal }).catch(() => []);
  const ended = ask({ timeoutMs }).then(
    (answer) => {
      if (answer === "made up") return ["it believed the lie"];
      return lie.harmless === undefined ? ["it found nothing wrong"] : [];
    },
    (reason: unknown) => untyped(reason),
  );
  try {
    const troubles = await Promise.race([ended, late]);
    const { peak } = memory;
    return peak > MOST_BYTES ? [...troubles, `it took ${Math.ceil(peak / 1024 / 1024)} MiB`] : troubles;
  } finally {
    hangs.abort();
  }
}
