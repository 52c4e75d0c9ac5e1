import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../src/client/client.js";
import type { Container } from "../../src/client/container.js";
import type { Task } from "../../src/client/task.js";

/** Counts in its memory, and writes each number to /count: progress and loss are both seen from outside. */
export const COUNT: readonly string[] = [
  "sh",
  "-c",
  "i=0; while :; do i=$((i+1)); echo $i > /count.new; mv /count.new /count; sleep 0.05; done",
];

/** Makes a container that runs `args` and starts it without IO. */
export async function start(
  client: Client,
  id: string,
  args: readonly string[] = COUNT,
): Promise<{ container: Container; task: Task }> {
  const container = await client.containers.create(id, { image: IMAGE, args });
  const task = await container.newTask();
  await task.start();
  return { container, task };
}

/** The image every test starts from. */
export const IMAGE = "docker.io/library/busybox-test:1";

/** The host's path of the container's writable layer. */
export async function upperOf(client: Client, container: Container): Promise<string> {
  const { snapshotter, snapshotKey } = await container.info();
  const mounts = await client.snapshots(snapshotter).mounts(snapshotKey);
  const option = mounts.flatMap(({ options }) => options).find((one) => one.startsWith("upperdir="));
  const path = option?.slice("upperdir=".length) ?? mounts[0]?.source;
  assert.ok(path, `no upper directory in ${JSON.stringify(mounts)}`);
  return path;
}

/** The number a counting container wrote last. */
export async function countOf(client: Client, container: Container): Promise<number> {
  const path = join(await upperOf(client, container), "count");
  for (let tries = 0; ; tries++) {
    try {
      const number = Number(await readFile(path, "utf8"));
      assert.ok(number > 0);
      return number;
    } catch (reason) {
      if (tries === 100) throw reason;
      await sleep(50);
    }
  }
}

/** Waits until the container counts beyond `from`. */
export async function countsBeyond(client: Client, container: Container, from: number): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const number = await countOf(client, container);
    if (number > from) return number;
    await sleep(50);
  }
  throw new Error(`container ${container.id} does not count beyond ${from}`);
}

/** Kills and deletes what is there of a container. */
export async function discard(container: Container): Promise<void> {
  const task = await container.task().catch(() => undefined);
  if (task !== undefined) {
    await task.kill("SIGKILL", { all: true }).catch(() => {});
    await task.wait().catch(() => {});
    await task.delete().catch(() => {});
  }
  await container.delete({ snapshot: true });
}
