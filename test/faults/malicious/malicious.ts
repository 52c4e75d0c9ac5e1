import type { FaultCases } from "../case.js";
import { contentLies } from "./content-lies.js";
import { frameLies } from "./frame-lies.js";
import { graphLies } from "./graph-lies.js";
import { ingestLies } from "./ingest-lies.js";
import type { Lie } from "./lie.js";
import { recordLies } from "./record-lies.js";
import { restoreLies } from "./restore-lies.js";
import { streamLies } from "./stream-lies.js";
import { taskLies } from "./task-lies.js";
import { tell } from "./tell.js";
import { weightLies } from "./weight-lies.js";

/** All that a daemon may say that is not so. */
export const lies: readonly Lie[] = [
  ...frameLies,
  ...weightLies,
  ...streamLies,
  ...contentLies,
  ...ingestLies,
  ...graphLies,
  ...recordLies,
  ...taskLies,
  ...restoreLies,
];

const COSTLY_SHARE = 0.1;

/**
 * Tells each lie with as many seeds, one after the other, and the costly ones with a tenth of them. Each ends in one of the
 * library's errors, in time, in little memory.
 */
export async function* malicious(told: readonly Lie[], seeds: number, seed: number = Date.now()): FaultCases {
  for (const lie of told) {
    const times = lie.costly === true ? Math.ceil(seeds * COSTLY_SHARE) : seeds;
    for (let nth = 0; nth < times; nth++) {
      yield { name: `${lie.name} (seed ${seed + nth})`, troubles: await tell(lie, seed + nth) };
    }
  }
}
