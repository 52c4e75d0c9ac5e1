import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type CheckpointResult, type Client, type Container, connect } from "containerd-client";
import { busyboxImage } from "../lab/busybox-image.js";
import { type Daemon, startDaemon } from "../lab/daemon.js";
import { whyNoLab } from "../lab/preflight.js";
import { repositoryRoot } from "../lab/repository.js";
import { measured } from "./measured.js";
import { operations } from "./operations.js";
import { Table } from "./statistics.js";

const NAMESPACE = "bench";
const IMAGE = "docker.io/library/bench:1";
const OURS = "containerd-client";
const BY_DAEMON = "containerd-client, the daemon's way";
const PROCESS = "containerd-client, from process start";
const CTR = "ctr";

interface Case {
  readonly name: string;
  readonly args: readonly string[];
}

/** A shell string of random letters: memory of one process that hardly compresses. */
function memory(megabytes: number): Case {
  const script = `held=$(head -c ${Math.ceil((megabytes * 1024 * 1024 * 3) / 4)} /dev/urandom | base64 -w 0); echo ready > /ready; while :; do sleep 1; done`;
  return { name: `${megabytes} MiB`, args: ["sh", "-c", script] };
}

const idle: Case = { name: "idle shell", args: ["sh", "-c", "echo ready > /ready; while :; do sleep 1; done"] };

/** How many calls the daemon has answered so far, by its own count. */
async function callsAnswered(metrics: string): Promise<number> {
  const text = await (await fetch(`http://${metrics}/v1/metrics`)).text();
  const counts = [...text.matchAll(/^grpc_server_started_total\{.*\} (\S+)$/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Follows how long a container's task stood still, by the daemon's events. */
class PauseWatch {
  readonly #stop = new AbortController();
  readonly #pauses = new Map<string, number>();
  readonly #durations = new Map<string, number[]>();
  readonly #done: Promise<void>;

  constructor(client: Client) {
    this.#done = this.#follow(client);
  }

  async #follow(client: Client): Promise<void> {
    try {
      const events = client.events(["/tasks/paused", "/tasks/resumed"], { signal: this.#stop.signal });
      for await (const { topic, publishedAt, payload } of events) {
        const id = payload.containerId;
        if (topic === "/tasks/paused") this.#pauses.set(id, publishedAt.getTime());
        else
          this.#durations.set(id, [
            ...(this.#durations.get(id) ?? []),
            publishedAt.getTime() - (this.#pauses.get(id) ?? 0),
          ]);
      }
    } catch (reason) {
      if (!this.#stop.signal.aborted) throw reason;
    }
  }

  /** The length of the container's last pause, in ms. */
  async last(id: string, nth: number): Promise<number> {
    for (let tries = 0; tries < 200; tries++) {
      const found = this.#durations.get(id)?.[nth];
      if (found !== undefined) return found;
      await sleep(10);
    }
    throw new Error(`pause ${nth} of ${id} was not seen`);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

async function discard(container: Container): Promise<void> {
  const task = await container.task();
  await task.kill("SIGKILL", { all: true });
  await task.wait();
  await task.delete();
  await container.delete({ snapshot: true });
}

async function ready(container: Container): Promise<void> {
  const task = await container.task();
  for (let tries = 0; ; tries++) {
    const probe = await task.exec(`probe-${tries}`, ["test", "-e", "/ready"]);
    await probe.start();
    const { exitStatus } = await probe.wait();
    await probe.delete();
    if (exitStatus === 0) return;
    if (tries > 600) throw new Error("the task never became ready");
    await sleep(100);
  }
}

/** What a restore left in the daemon's temporary directory, in MiB; takes it away, or the next one would be slower for it. */
async function leftBehind(temporary: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(temporary, { recursive: true })) bytes += (await stat(join(temporary, name))).size;
  for (const name of await readdir(temporary)) await rm(join(temporary, name), { recursive: true });
  return Math.round(bytes / 2 ** 20);
}

interface Bench {
  readonly daemon: Daemon;
  readonly client: Client;
  readonly metrics: string;
  /** The daemon's temporary directory. */
  readonly temporary: string;
  readonly table: Table;
  readonly rounds: number;
}

async function runCase(
  { daemon, client, metrics, temporary, table, rounds }: Bench,
  { name, args }: Case,
): Promise<void> {
  const id = `bench-${name.replaceAll(/\W/g, "")}`;
  const container = await client.containers.create(id, { image: IMAGE, args });
  const task = await container.newTask();
  await task.start();
  await ready(container);
  const program = fileURLToPath(new URL("operations.js", import.meta.url));
  const ctr =
    (...words: string[]) =>
    () =>
      spawn(daemon.binaries.ctr, ["--address", daemon.address, "--namespace", NAMESPACE, ...words], {
        stdio: "inherit",
      });
  const node =
    (...words: string[]) =>
    () =>
      spawn(process.execPath, [program, words[0] ?? "", daemon.address, NAMESPACE, ...words.slice(1)], {
        stdio: "inherit",
      });
  const pauses = new PauseWatch(client);
  await sleep(200);
  let pause = 0;
  const refs: Readonly<Record<string, string>> = {
    [OURS]: "cp:ours",
    [CTR]: "cp:ctr",
    [BY_DAEMON]: "cp:daemon",
    [PROCESS]: "cp:process",
  };
  const timed = async (row: string, who: string, act: () => Promise<{ ms: number; peakMiB?: number }>) => {
    const before = await callsAnswered(metrics);
    const { ms, peakMiB } = await act();
    const calls = (await callsAnswered(metrics)) - before;
    table.add(`${row}, ${name}: wall ms`, who, ms);
    table.add(`${row}, ${name}: calls`, who, calls);
    if (peakMiB !== undefined) table.add(`${row}, ${name}: peak MiB`, who, peakMiB);
  };
  const inProcess = (act: () => Promise<unknown>) => async () => {
    const startedAt = performance.now();
    await act();
    return { ms: performance.now() - startedAt };
  };
  const checkpoint = (who: string, act: () => Promise<CheckpointResult>) =>
    inProcess(async () => {
      const { cost } = await act();
      table.add(`checkpoint, ${name}: criu's dump ms`, who, cost.dumpMs);
      table.add(`checkpoint, ${name}: packing ms`, who, cost.packMs);
    });
  for (let round = 0; round < rounds; round++) {
    const ways: [string, () => Promise<{ ms: number; peakMiB?: number }>][] = [
      [OURS, checkpoint(OURS, () => operations.checkpoint(client, id, "cp:ours"))],
      [CTR, () => measured(ctr("containers", "checkpoint", "--image", "--rw", "--task", id, "cp:ctr"))],
      [BY_DAEMON, checkpoint(BY_DAEMON, () => operations.checkpointByDaemon(client, id, "cp:daemon"))],
      [PROCESS, () => measured(node("checkpoint", id, "cp:process"))],
    ];
    for (const [who, act] of ways) {
      await timed("checkpoint", who, act);
      table.add(`checkpoint, ${name}: paused ms`, who, await pauses.last(id, pause++));
      const ref = refs[who] ?? "";
      if (round < rounds - 1) await client.images.delete(ref, { sync: true });
    }
  }
  await pauses.stop();
  await discard(container);
  for (let round = 0; round < rounds; round++) {
    for (const [who, act] of [
      [OURS, inProcess(() => operations.restore(client, id, "cp:ctr"))],
      [CTR, () => measured(ctr("containers", "restore", "--live", "--rw", id, "cp:ctr"))],
      [PROCESS, () => measured(node("restore", id, "cp:ctr"))],
    ] as const) {
      await timed("restore", who, act);
      table.add(`restore, ${name}: MiB of memory left on the disk`, who, await leftBehind(temporary));
      await discard(await client.containers.get(id));
    }
  }
  for (const ref of Object.values(refs)) await client.images.delete(ref, { sync: true });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { quick: { type: "boolean" }, rounds: { type: "string" } } });
  const rounds = Number(values.rounds ?? (values.quick === true ? 3 : 9));
  const why = await whyNoLab();
  if (why !== undefined) throw new Error(`The bench needs a containerd with criu: ${why}`);
  const metrics = `127.0.0.1:${20_000 + (process.pid % 20_000)}`;
  const extraToml = `[metrics]\n  address = "${metrics}"`;
  const temporary = await mkdtemp(join(tmpdir(), "bench-"));
  await using _temporary = { [Symbol.asyncDispose]: () => rm(temporary, { recursive: true }) };
  const progress = (line: string) => process.stderr.write(`${line}\n`);
  await using daemon = await startDaemon("v21", { extraToml, env: { TMPDIR: temporary }, progress });
  await using client = await connect({ address: daemon.address, namespace: NAMESPACE });
  await busyboxImage(client, IMAGE);
  const table = new Table(CTR);
  const bench = { daemon, client, metrics, temporary, table, rounds };
  for (const one of [idle, memory(values.quick === true ? 64 : 300)]) await runCase(bench, one);
  const { version } = await client.version();
  const [cpu] = cpus();
  const machine = {
    containerd: version,
    node: process.version,
    kernel: release(),
    cpus: `${cpus().length} × ${cpu?.model ?? "?"}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    rounds,
  };
  process.stdout.write(`${JSON.stringify(machine)}\n\n${table.text()}\n`);
  const directory = join(repositoryRoot(), ".build", "bench-results");
  await mkdir(directory, { recursive: true });
  const file = join(directory, `checkpoint-${new Date().toISOString().replaceAll(":", "-")}.json`);
  await writeFile(file, JSON.stringify({ machine, rows: table.rows() }, null, 2));
  process.stdout.write(`\nwritten to ${file}\n`);
}

await main();
