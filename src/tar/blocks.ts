/** What a tar is made of, in bytes. */
export const BLOCK = 512;

/** Bytes of an extended header that are taken at most. */
export const MOST_PAX_BYTES: number = 1024 * 1024;

/** How many bytes follow content of that size, up to the next block. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** Adds up a header as its checksum does, in which the checksum itself counts as spaces. */
export function checksumOf(block: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  return sum;
}

/** A number of a header: octal digits, or GNU's base-256 form where the first bit is set; `undefined` when it is neither, or too large. */
export function headerNumber(field: Uint8Array): number | undefined {
  const first = field[0] ?? 0;
  const digits = Buffer.from(field).toString("latin1").replace(/\0.*$/s, "").trim();
  if (!(first & 0x80) && !/^[0-7]*$/.test(digits)) return undefined;
  const value =
    first & 0x80
      ? field.subarray(1).reduce((total, byte) => total * 256 + byte, first & 0x7f)
      : Number.parseInt(digits || "0", 8);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Cuts a tar, however it comes, into its headers and what it is told to gather; what it is told to skip is not kept. */
export class BlockCutter {
  readonly #take: (piece: Uint8Array) => void;
  #gathered: Uint8Array[] = [];
  #missing = BLOCK;
  #skip = 0;
  #offset = 0;

  /** `take` gets each piece that is whole: a header, unless something else was asked for when the one before it came. */
  constructor(take: (piece: Uint8Array) => void) {
    this.#take = take;
  }

  /** How many bytes have come, up to the end of the piece that was taken last. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether it stands between two members. */
  get isBetween(): boolean {
    return this.#missing === BLOCK && this.#skip === 0;
  }

  /** The next piece has that many bytes, and is no header. */
  gather(bytes: number): void {
    this.#missing = bytes;
  }

  /** So many bytes are passed over before the next piece. */
  skip(bytes: number): void {
    this.#skip = bytes;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const left = chunk.length - at;
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, left);
        this.#skip -= skipped;
        this.#offset += skipped;
        at += skipped;
        continue;
      }
      const taken = chunk.subarray(at, at + Math.min(this.#missing, left));
      at += taken.length;
      this.#offset += taken.length;
      this.#missing -= taken.length;
      const isWhole = this.#missing === 0;
      this.#gathered.push(isWhole ? taken : taken.slice());
      if (isWhole) this.#give();
    }
  }

  #give(): void {
    const [only] = this.#gathered;
    const piece = this.#gathered.length === 1 && only !== undefined ? only : Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#missing = BLOCK;
    this.#take(piece);
  }
}
