import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon } from "../../lab/daemon.js";
import type { Client } from "../../src/index.js";

const SETTLE_MS = 300;
// On a busy machine.
const LATE_MS = 5_000;

/** What `ctr` lists, one name a line; the library under test has no part in it. */
export async function listed(daemon: Daemon, client: Client, ...args: string[]): Promise<string[]> {
  const { stdout } = await daemon.ctr(["-n", client.namespace, ...args]);
  return stdout
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** Has `ctr` export images, by itself where it would have the daemon do it: that way it loses the end of one file in 150, and says nothing. */
export async function exportByCtr(daemon: Daemon, client: Client, ...args: string[]): Promise<void> {
  const local = daemon.release === "v16" ? [] : ["--local"];
  await daemon.ctr(["-n", client.namespace, "images", "export", ...local, ...args]);
}

/** Nothing of an operation is left: no lease, no ingest, no snapshot of ours, no dump. */
export async function assertNothingLeft(daemon: Daemon, client: Client): Promise<void> {
  const leases = await settled(async () => {
    const names = await listed(daemon, client, "leases", "ls", "-q");
    return names.filter((name) => name.startsWith("containerd-client-"));
  });
  assert.deepEqual(leases, [], "leases left behind");
  const ingests = await settled(async () => (await listed(daemon, client, "content", "active")).slice(1));
  assert.deepEqual(ingests, [], "ingests left behind");
  const snapshots = await settled(async () => {
    const lines = await listed(daemon, client, "snapshots", "ls");
    return lines.filter((line) => line.startsWith("containerd-client-"));
  });
  assert.deepEqual(snapshots, [], "snapshots left behind");
  const home = join(daemon.root, "containerd-client", client.namespace);
  const dumps = await settled(() => readdir(home).catch(() => []));
  assert.deepEqual(dumps, [], "dumps left behind");
}

/** What an operation could leave behind, by kind. */
export type Inventory = Readonly<Record<string, readonly string[]>>;

/** All that is there, as `ctr` and the filesystem tell. */
export async function inventoryOf(daemon: Daemon, client: Client): Promise<Inventory> {
  const names = async (...args: string[]): Promise<string[]> =>
    (await listed(daemon, client, ...args)).map((line) => line.split(/\s+/)[0] ?? "").sort();
  const dumps = join(daemon.root, "containerd-client");
  return {
    containers: await names("containers", "ls", "-q"),
    images: await names("images", "ls", "-q"),
    leases: await names("leases", "ls", "-q"),
    ingests: await names("content", "active"),
    snapshots: await names("snapshots", "ls"),
    blobs: await names("content", "ls", "-q"),
    dumps: existsSync(dumps) ? readdirSync(dumps).flatMap((name) => readdirSync(join(dumps, name))) : [],
  };
}

/** The state `ctr` sees a task in; undefined when it sees none. */
export async function taskState(daemon: Daemon, client: Client, id: string): Promise<string | undefined> {
  const lines = await listed(daemon, client, "tasks", "ls");
  return lines.map((line) => line.split(/\s+/)).find(([name]) => name === id)?.[2];
}

/** The events of one topic that were published while `act` ran; so many are waited for. */
export async function seen(
  client: Client,
  topic: string,
  act: () => Promise<unknown>,
  expected: number = 0,
): Promise<unknown[]> {
  const stop = new AbortController();
  const events: unknown[] = [];
  const reading = (async () => {
    for await (const event of client.events([topic], { signal: stop.signal })) events.push(event);
  })().catch((reason: unknown) => {
    if (!stop.signal.aborted) throw reason;
  });
  // The daemon does not say when a subscription stands, and what a shim said before may come late.
  await sleep(SETTLE_MS);
  events.length = 0;
  await act();
  const end = Date.now() + LATE_MS;
  while (events.length < expected && Date.now() < end) await sleep(10);
  await sleep(SETTLE_MS);
  stop.abort();
  await reading;
  return events;
}

async function settled(list: () => Promise<string[]>): Promise<string[]> {
  // Some clean-up is the daemon's garbage collector's, which runs a moment later.
  let left = await list();
  for (let tries = 0; left.length > 0 && tries < 40; tries++) {
    await sleep(50);
    left = await list();
  }
  return left;
}
