import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { storedAsZstd } from "../fixtures/zstd-frame.js";
import { Dice, mutated } from "./mutate.js";
import { type RawMember, rawTar } from "./raw-tar.js";

/** An archive as it is written. */
interface RawArchive {
  readonly members: RawMember[];
  readonly emptyBlocks: number;
}

const BATCH = 200;
const MUTANTS = 8;

/** Generated archives, each with mutants of it, without end; the same ones for the same seed. */
export function* generated(seed: number, arbitrary: fc.Arbitrary<RawArchive>): Generator<Buffer, void, undefined> {
  const dice = new Dice(seed);
  for (let batch = 0; ; batch += 1) {
    for (const { members, emptyBlocks } of fc.sample(arbitrary, { numRuns: BATCH, seed: seed + batch })) {
      const archive = rawTar(members, emptyBlocks);
      yield archive;
      for (let mutant = 0; mutant < MUTANTS; mutant += 1) {
        // Half of them stay sound tars, so that what is in them is looked at.
        const changed = mutant % 2 === 0 ? mutated(archive, dice) : rawTar(withMutatedBody(members, dice), emptyBlocks);
        yield packed(changed, dice);
      }
    }
  }
}

function withMutatedBody(members: readonly RawMember[], dice: Dice): readonly RawMember[] {
  const chosen = dice.below(Math.max(1, members.length));
  return members.map((member, at) =>
    at === chosen && member.body !== undefined ? { ...member, body: mutated(member.body, dice) } : member,
  );
}

/** Packed, sometimes, and sometimes broken after that. */
function packed(archive: Buffer, dice: Dice): Buffer {
  switch (dice.below(14)) {
    case 0:
      return gzipSync(archive, { level: 1 });
    case 1:
      return mutated(gzipSync(archive, { level: 1 }), dice);
    case 2:
      return mutated(storedAsZstd(archive), dice);
    case 3:
      return storedAsZstd(archive);
    default:
      return archive;
  }
}
