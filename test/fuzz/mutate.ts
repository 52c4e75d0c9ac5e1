/** Numbers that look random, the same ones for the same seed. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % limit;
  }
}

const interesting = [0, 1, 0x7f, 0x80, 0xff, 0x2e, 0x2f, 0x30, 0x37];

/** Changes bytes here and there, or cuts, doubles or drops a piece. */
export function mutated(bytes: Uint8Array, dice: Dice): Buffer {
  let changed = Buffer.from(bytes);
  for (let left = 1 + dice.below(4); left > 0 && changed.length > 0; left -= 1) {
    const at = dice.below(changed.length);
    const length = 1 + dice.below(dice.below(2) === 0 ? 8 : 600);
    switch (dice.below(7)) {
      case 0:
        changed[at] = (changed[at] ?? 0) ^ (1 << dice.below(8));
        break;
      case 1:
        changed[at] = interesting[dice.below(interesting.length)] ?? 0;
        break;
      case 2:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + length)]);
        break;
      case 3:
        changed = Buffer.concat([changed.subarray(0, at + length), changed.subarray(at)]);
        break;
      case 4:
        changed.fill(dice.below(256), at, Math.min(at + length, changed.length));
        break;
      case 5:
        changed = Buffer.concat([changed.subarray(0, at), Buffer.alloc(length), changed.subarray(at)]);
        break;
      default:
        if (dice.below(10) === 0) changed = changed.subarray(0, at);
        else changed.writeUInt8(dice.below(256), at);
    }
  }
  return changed;
}
