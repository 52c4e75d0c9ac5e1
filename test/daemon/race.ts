import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Client, type Container, withCheckpointWay } from "../../src/index.js";
import { discard, upperOf } from "./counter.js";

const LINES = 200_000;

/**
 * Counts as fast as it can. Each number goes into a log that is kept open, and into a file that is written anew. The log
 * goes on in another file after every {@link LINES} numbers, and only the last two have anything in them.
 */
export const RACE: readonly string[] = [
  "sh",
  "-c",
  `i=0; n=0; exec > /log.0; while :; do
  i=$((i+1)); echo $i; echo $i > /count
  if [ $((i%${LINES})) = 0 ]; then n=$((n+1)); exec > /log.$n; : > /log.$((n-2)); fi
done`,
];

interface Files {
  /** The numbers in the log, oldest first. */
  readonly logged: readonly number[];
  /** What stands in the other file; `undefined` between its being emptied and being written. */
  readonly count: number | undefined;
}

/**
 * Checkpoints one that runs {@link RACE} and thaws it elsewhere. Its counter in memory, as the log goes on, and the one in the file
 * differ by one at most, and no number is missing. Resolves to the number it was frozen at.
 */
export async function thawUntorn(
  client: Client,
  original: Container,
  copyId: string,
  way: "directory" | "daemon",
): Promise<number> {
  const ref = `of-${copyId}`;
  await original.checkpoint(ref, [withCheckpointWay(way)]);
  const copy = await client.restore(copyId, ref);
  try {
    const frozen = await filesOf(client, copy);
    const last = frozen.logged.at(-1) ?? 0;
    assertUnbroken(frozen.logged);
    const { count = last } = frozen;
    assert.ok(count === last || count === last - 1, `${count} in the file beside ${last} in the log`);

    const task = await copy.newTask({ checkpoint: ref });
    await task.start();
    const thawed = await goesBeyond(client, copy, last);
    // What memory and file disagree on would be missing here, or be there twice.
    assertUnbroken(thawed.logged);
    assert.ok((thawed.logged[0] ?? 0) <= last + 1, `the log begins only at ${thawed.logged[0]}`);
    return last;
  } finally {
    await discard(copy);
    await client.images.delete(ref, { sync: true });
  }
}

/** Reads what a task has written, while it is paused, as soon as it went on. */
async function goesBeyond(client: Client, container: Container, from: number): Promise<Files> {
  const task = await container.task();
  for (;;) {
    const pause = await task.pause();
    const files = await filesOf(client, container);
    if ((files.logged.at(-1) ?? 0) > from) return files;
    await pause[Symbol.asyncDispose]();
  }
}

async function filesOf(client: Client, container: Container): Promise<Files> {
  const upper = await upperOf(client, container);
  const logs = (await readdir(upper)).filter((name) => /^log\.\d+$/.test(name));
  logs.sort((one, other) => Number(one.slice(4)) - Number(other.slice(4)));
  const texts = await Promise.all(logs.map((name) => readFile(join(upper, name), "utf8")));
  const whole = texts.join("");
  assert.ok(whole === "" || whole.endsWith("\n"), "a line was cut");
  const count = await readFile(join(upper, "count"), "utf8");
  return {
    logged: whole.split("\n").slice(0, -1).map(Number),
    count: count === "" ? undefined : Number(count),
  };
}

function assertUnbroken(numbers: readonly number[]): void {
  const [first = 0] = numbers;
  const broken = numbers.findIndex((number, at) => number !== first + at);
  assert.equal(broken, -1, `after ${numbers[broken - 1]} came ${numbers[broken]}`);
}
