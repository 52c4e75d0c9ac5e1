import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, type Container, connect, fromEnv, type Image, streamIO, type Task } from "containerd-client";
import { createEmbedded } from "containerd-client/embedded";
import { busyboxImage } from "../lab/busybox-image.js";
import { startDaemon } from "../lab/daemon.js";
import { whyNoLab } from "../lab/preflight.js";

/** Shows the numbers a counting task prints. */
function show(who: string): { readonly stdout: PassThrough; readonly last: () => number } {
  const stdout = new PassThrough();
  let last = 0;
  let rest = "";
  stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      last = Number(line);
      say(`    ${who} counts ${line}`);
    }
  });
  return { stdout, last: () => last };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function run(
  container: Container,
  who: string,
  checkpoint?: string,
): Promise<{ task: Task; last: () => number }> {
  const { stdout, last } = show(who);
  const io = streamIO({ stdout });
  const task = await container.newTask(checkpoint === undefined ? { io } : { io, checkpoint });
  await task.start();
  return { task, last };
}

async function end(container: Container, task: Task): Promise<void> {
  await task.kill("SIGKILL");
  await task.wait();
  await task.delete();
  await container.delete({ snapshot: true });
}

function continues(what: string, before: number, after: number): void {
  if (after <= before) throw new Error(`${what} did not go on from ${before}: it is at ${after}`);
  say(`  ${what} went on from where it was frozen: past ${before}, now at ${after}`);
}

/** What counts: an image, made under the given name, and what to run of it. */
interface Counter {
  readonly image: (client: Client, name: string) => Promise<Image>;
  readonly args: readonly string[];
}

const shell: Counter = {
  image: busyboxImage,
  args: ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; echo $i > /count; sleep 0.2; done"],
};

const simulated: Counter = {
  image: (client, name) => busyboxImage(client, name, { programs: false }),
  args: ["counter"],
};

async function demo(client: Client, counter: Counter): Promise<void> {
  const suffix = process.pid.toString(36);
  const image = await counter.image(client, `docker.io/library/counter:${suffix}`);
  const [id, copyId, ref] = [`counter-${suffix}`, `counter-${suffix}-copy`, `checkpoint:${suffix}`];

  say("1. A container counts.");
  const container = await client.containers.create(id, { image, args: counter.args });
  const original = await run(container, id);
  await sleep(1_500);

  say(`2. It is checkpointed to ${ref}, and runs on.`);
  const checkpoint = await container.checkpoint(ref);
  const frozenAt = original.last();
  for (const [part, descriptor] of Object.entries({
    memory: checkpoint.task,
    "changed files": checkpoint.rw,
    spec: checkpoint.spec,
    "criu options": checkpoint.criuOptions,
    "runtime options": checkpoint.runtime.options,
    "base image": checkpoint.image.descriptor,
  })) {
    if (descriptor !== undefined)
      say(`    ${part.padEnd(16)} ${String(descriptor.size).padStart(9)} bytes  ${descriptor.digest.slice(0, 19)}…`);
  }
  const { cost } = checkpoint;
  say(`    It was paused for ${cost.pausedMs.toFixed(0)} ms; the whole took ${cost.totalMs.toFixed(0)} ms.`);
  await sleep(700);

  say("3. It is killed, and thawed under its own id.");
  await end(container, original.task);
  const restored = await client.restore(id, ref);
  const thawed = await run(restored, id, ref);
  await sleep(700);
  continues("The restored container", frozenAt, thawed.last());

  say("4. The same checkpoint is thawed once more, beside it.");
  const copy = await client.restore(copyId, ref);
  const beside = await run(copy, copyId, ref);
  await sleep(700);
  continues("Its copy", frozenAt, beside.last());

  say("5. Everything is taken away again.");
  await end(restored, thawed.task);
  await end(copy, beside.task);
  await client.images.delete(ref);
  await client.images.delete(image.name, { sync: true });
}

async function main(): Promise<void> {
  if (process.env["CONTAINERD_ADDRESS"] !== undefined) {
    await using client = await connect(fromEnv());
    await demo(client, shell);
    return;
  }
  const why = process.argv.includes("--embedded") ? "the embedded one was asked for." : await whyNoLab();
  if (why !== undefined) {
    say(`No real containerd is brought up here: ${why}`);
    say("So this is the embedded one: the same calls, and a program in this process instead of a container.");
    await using containerd = await createEmbedded();
    await using client = await connect({ transport: containerd.transport, namespace: "demo" });
    await demo(client, simulated);
    return;
  }
  const daemon = await startDaemon("v21", { progress: (line) => say(`  ${line}`) });
  try {
    await using client = await connect({ address: daemon.address, namespace: "demo" });
    const { version } = await client.version();
    say(`A private containerd ${version} is up.`);
    await demo(client, shell);
  } finally {
    await daemon.stop();
    say("The private containerd is gone.");
  }
}

await main();
