import { countOf, discard, start } from "../daemon/counter.js";
import { RACE, thawUntorn } from "../daemon/race.js";
import type { FaultCases } from "./case.js";
import type { Scene } from "./scene.js";

/** Checkpoints what counts as fast as it can, thaws it, and compares the counter in memory with the one in a file. */
export async function* torn(scene: Scene, cases: number): FaultCases {
  const { client } = scene;
  const { container } = await start(client, scene.fresh("race"), RACE);
  await countOf(client, container);
  try {
    for (let nth = 1; nth <= cases; nth++) {
      const way = nth % 2 === 0 ? "daemon" : "directory";
      const troubles: string[] = [];
      const name = await thawUntorn(client, container, scene.fresh("thawed"), way).then(
        (last) => `frozen at ${last} in the way of the ${way}`,
        (reason: unknown) => {
          troubles.push(String(reason));
          return `in the way of the ${way}`;
        },
      );
      yield { name, troubles };
    }
  } finally {
    await discard(container);
  }
}
