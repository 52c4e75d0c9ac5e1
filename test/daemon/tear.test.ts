import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { type Client, type Container, isFailedPrecondition } from "../../src/index.js";
import { assertNothingLeft } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, discard, start } from "./counter.js";
import { RACE, thawUntorn } from "./race.js";
import { describeOnEachDaemon } from "./releases.js";

const CHECKPOINTS = 10;

describeOnEachDaemon("memory and files of a checkpoint", (daemon) => {
  let client: Client;
  let original: Container;

  before(async () => {
    client = await clientFor(daemon(), "tear");
    ({ container: original } = await start(client, "race", RACE));
    await countOf(client, original);
  });
  after(() => client.close());

  const ways = ["directory", "daemon"] as const;
  for (const way of ways)
    it(`are of one instant in the way of the ${way}, ${CHECKPOINTS} times`, async () => {
      let latest = 0;
      for (let round = 1; round <= CHECKPOINTS; round++) {
        const last = await thawUntorn(client, original, `copy-${way}-${round}`, way);
        assert.ok(last > latest, `round ${round}: ${last} is not later than ${latest}`);
        latest = last;
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
});
