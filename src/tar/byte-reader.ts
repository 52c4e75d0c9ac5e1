import { DataLossError } from "../errors.js";

/** Takes counted bytes from a stream that comes in pieces of any size. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #failure: string;
  #rest: Buffer = Buffer.alloc(0);

  /** Reads from there, and does not end it; `failure` is how its errors begin, such as `Cannot unpack zstd`. */
  constructor(source: AsyncIterator<Uint8Array>, failure: string) {
    this.#source = source;
    this.#failure = failure;
  }

  /**
   * Takes that many bytes.
   *
   * @throws {DataLossError} when the stream ends before
   */
  async take(length: number): Promise<Buffer> {
    const taken = length === 0 ? Buffer.alloc(0) : await this.takeOrEnd(length);
    if (taken === undefined) throw this.#tooShort();
    return taken;
  }

  /**
   * Takes that many bytes, at least one; undefined when there are none left.
   *
   * @throws {DataLossError} when the stream ends in the middle of them
   */
  async takeOrEnd(length: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    for (let missing = length; missing > 0; ) {
      if (this.#rest.length === 0 && !(await this.#more())) {
        if (missing === length) return undefined;
        throw this.#tooShort();
      }
      const piece = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(piece.length);
      missing -= piece.length;
      pieces.push(piece);
    }
    const [only] = pieces;
    return pieces.length === 1 ? only : Buffer.concat(pieces);
  }

  /**
   * Steps over that many bytes.
   *
   * @throws {DataLossError} when the stream ends before
   */
  async skip(length: number): Promise<void> {
    for (let missing = length; missing > 0; ) {
      if (this.#rest.length === 0 && !(await this.#more())) {
        throw this.#tooShort();
      }
      const skipped = Math.min(missing, this.#rest.length);
      this.#rest = this.#rest.subarray(skipped);
      missing -= skipped;
    }
  }

  #tooShort(): DataLossError {
    return new DataLossError(`${this.#failure}: it ends too early`);
  }

  async #more(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done) return false;
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    return true;
  }
}
