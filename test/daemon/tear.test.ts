import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { type Client, type Container, isFailedPrecondition, withCheckpointWay } from "../../src/index.js";
import { assertNothingLeft } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, discard, start, upperOf } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

const CHECKPOINTS = 10;
const LINES = 200_000;

/**
 * Counts as fast as it can. Each number goes into a log that is kept open, and into a file that is written anew. The log
 * goes on in another file after every {@link LINES} numbers, and only the last two have anything in them.
 */
const RACE = `i=0; n=0; exec > /log.0; while :; do
  i=$((i+1)); echo $i; echo $i > /count
  if [ $((i%${LINES})) = 0 ]; then n=$((n+1)); exec > /log.$n; : > /log.$((n-2)); fi
done`;

interface Files {
  /** The numbers in the log, oldest first. */
  readonly logged: readonly number[];
  /** What stands in the other file; `undefined` between its being emptied and being written. */
  readonly count: number | undefined;
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

describeOnEachDaemon("memory and files of a checkpoint", (daemon) => {
  let client: Client;
  let original: Container;

  before(async () => {
    client = await clientFor(daemon(), "tear");
    ({ container: original } = await start(client, "race", ["sh", "-c", RACE]));
    await countOf(client, original);
  });
  after(() => client.close());

  const ways = ["directory", "daemon"] as const;
  for (const way of ways)
    it(`are of one instant in the way of the ${way}, ${CHECKPOINTS} times`, async () => {
      let latest = 0;
      for (let round = 1; round <= CHECKPOINTS; round++) {
        const ref = `cp:${round}`;
        await original.checkpoint(ref, [withCheckpointWay(way)]);
        const copy = await client.restore(`copy-${way}-${round}`, ref);
        const frozen = await filesOf(client, copy);
        const last = frozen.logged.at(-1) ?? 0;
        assertUnbroken(frozen.logged);
        assert.ok(last > latest, `round ${round}: ${last} is not later than ${latest}`);
        const { count = last } = frozen;
        assert.ok(count === last || count === last - 1, `round ${round}: ${count} beside ${last}`);
        latest = last;

        const task = await copy.newTask({ checkpoint: ref });
        await task.start();
        const thawed = await goesBeyond(copy, last);
        // What memory and file disagree on would be missing here, or be there twice.
        assertUnbroken(thawed.logged);
        assert.ok((thawed.logged[0] ?? 0) <= last + 1, `round ${round}: the log begins only at ${thawed.logged[0]}`);
        await discard(copy);
        await client.images.delete(ref, { sync: true });
      }
      await assertNothingLeft(daemon(), client);
    });

  it("do not go together when they are of two instants", async () => {
    await original.checkpoint("cp:sooner");
    await original.checkpoint("cp:later");
    const copy = await client.restore("torn", "cp:later");
    const task = await copy.newTask({ checkpoint: "cp:sooner" });
    await assert.rejects(task.start(), (reason) => {
      assert.ok(isFailedPrecondition(reason), String(reason));
      assert.match(reason.criuLog.join("\n"), /bad size/);
      return true;
    });
    await discard(copy);
  });

  /** Reads what a task has written, while it is paused, as soon as it went on. */
  const goesBeyond = async (container: Container, from: number): Promise<Files> => {
    const task = await container.task();
    for (;;) {
      const pause = await task.pause();
      const files = await filesOf(client, container);
      if ((files.logged.at(-1) ?? 0) > from) return files;
      await pause[Symbol.asyncDispose]();
    }
  };
});
