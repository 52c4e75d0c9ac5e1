const STRIPE = 32;
const LANES = 4;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const [P1_LOW, P1_HIGH] = [Number(P1 & 0xffffffffn) | 0, Number(P1 >> 32n) | 0];
const [P2_LOW, P2_HIGH] = [Number(P2 & 0xffffffffn) | 0, Number(P2 >> 32n) | 0];

/**
 * The hash in which zstd keeps a frame's checksum.
 *
 * @see https://github.com/Cyan4973/xxHash/blob/v0.8.3/doc/xxhash_spec.md
 */
export class Xxh64 {
  // Two halves of 64 bits each: with bigint the hashing would take several times as long as the unpacking.
  readonly #lanes = new Int32Array(LANES * 2);
  readonly #buffer = Buffer.alloc(STRIPE);
  #buffered = 0;
  #total = 0;

  /** Begins a hash with seed 0. */
  constructor() {
    for (const [lane, value] of [P1 + P2, P2, 0n, -P1].entries()) {
      this.#lanes[lane * 2] = Number(value & 0xffffffffn);
      this.#lanes[lane * 2 + 1] = Number((value >> 32n) & 0xffffffffn);
    }
  }

  /** Adds bytes. */
  update(bytes: Uint8Array): void {
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#total += data.length;
    let at = 0;
    if (this.#buffered > 0) {
      at = data.copy(this.#buffer, this.#buffered);
      this.#buffered += at;
      if (this.#buffered < STRIPE) return;
      this.#stripe(this.#buffer, 0);
    }
    for (; at + STRIPE <= data.length; at += STRIPE) this.#stripe(data, at);
    this.#buffered = data.copy(this.#buffer, 0, at);
  }

  /** The hash. */
  digest(): bigint {
    let hash = this.#total >= STRIPE ? this.#merged() : P5;
    hash = u64(hash + BigInt(this.#total));
    let at = 0;
    for (; at + 8 <= this.#buffered; at += 8) {
      hash = u64(rotated(hash ^ mixed(this.#buffer.readBigUInt64LE(at)), 27n) * P1 + P4);
    }
    if (at + 4 <= this.#buffered) {
      hash = u64(rotated(hash ^ u64(BigInt(this.#buffer.readUInt32LE(at)) * P1), 23n) * P2 + P3);
      at += 4;
    }
    for (; at < this.#buffered; at += 1) {
      hash = u64(rotated(hash ^ u64(BigInt(this.#buffer.readUInt8(at)) * P5), 11n) * P1);
    }
    hash = u64((hash ^ (hash >> 33n)) * P2);
    hash = u64((hash ^ (hash >> 29n)) * P3);
    return hash ^ (hash >> 32n);
  }

  #merged(): bigint {
    const lanes = Array.from({ length: LANES }, (_, lane) => {
      const half = (at: number) => BigInt((this.#lanes[at] ?? 0) >>> 0);
      return half(lane * 2) | (half(lane * 2 + 1) << 32n);
    });
    const turns = [1n, 7n, 12n, 18n];
    const start = u64(lanes.reduce((total, lane, at) => total + rotated(lane, turns[at] ?? 0n), 0n));
    return lanes.reduce((hash, lane) => u64((hash ^ mixed(lane)) * P1 + P4), start);
  }

  /** For each lane: rotate(lane + word * P2, 31) * P1. */
  #stripe(data: Buffer, start: number): void {
    const lanes = this.#lanes;
    for (let lane = 0; lane < LANES * 2; lane += 2) {
      const word = start + lane * 4;
      const wordLow = data.readInt32LE(word);
      const addedLow = Math.imul(wordLow, P2_LOW);
      const addedHigh = productHigh(wordLow, data.readInt32LE(word + 4), P2_LOW, P2_HIGH);
      const low = (lanes[lane] ?? 0) + addedLow;
      const carry = (lanes[lane] ?? 0) >>> 0 > ~addedLow >>> 0 ? 1 : 0;
      const high = (lanes[lane + 1] ?? 0) + addedHigh + carry;
      const turnedLow = (low << 31) | (high >>> 1);
      const turnedHigh = (high << 31) | ((low | 0) >>> 1);
      lanes[lane] = Math.imul(turnedLow, P1_LOW);
      lanes[lane + 1] = productHigh(turnedLow, turnedHigh, P1_LOW, P1_HIGH);
    }
  }
}

/** The upper half of the lower 64 bits of a product. */
function productHigh(low: number, high: number, byLow: number, byHigh: number): number {
  const [a0, a1, b0, b1] = [low & 0xffff, low >>> 16, byLow & 0xffff, byLow >>> 16];
  const first = a0 * b1 + ((a0 * b0) >>> 16);
  const second = a1 * b0 + (first & 0xffff);
  const upper = a1 * b1 + (first >>> 16) + (second >>> 16);
  return (upper + Math.imul(low, byHigh) + Math.imul(high, byLow)) | 0;
}

function mixed(word: bigint): bigint {
  return u64(rotated(u64(word * P2), 31n) * P1);
}

function rotated(value: bigint, by: bigint): bigint {
  return u64(value << by) | (value >> (64n - by));
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
