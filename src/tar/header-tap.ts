import { ResourceExhaustedError } from "../errors.js";
import { BlockCutter, checksumOf, headerNumber, MOST_PAX_BYTES, padding } from "./blocks.js";
import { type PaxRecords, parsePax } from "./pax.js";

const NO_RECORDS: PaxRecords = new Map();

/**
 * Listens to an archive on its way into the parser, which turns extended headers into text and so breaks binary values: keeps
 * their bytes. Where it loses its place it falls silent, and whoever asks finds nothing.
 */
export class HeaderTap {
  readonly #members = new Map<number, PaxRecords>();
  #globals: PaxRecords = NO_RECORDS;
  #own: PaxRecords | undefined;
  readonly #cutter = new BlockCutter((piece) => {
    if (!this.#isLost) this.#got(piece);
  });
  #pax: "x" | "g" | undefined;
  #isLost = false;

  /** Takes the next bytes of the archive. */
  push(chunk: Uint8Array): void {
    if (!this.#isLost) this.#cutter.push(chunk);
  }

  /** The extended header of the member whose content begins there; undefined when no member does. */
  take(offset: number): PaxRecords | undefined {
    const records = this.#members.get(offset);
    this.#members.delete(offset);
    return records;
  }

  #got(bytes: Uint8Array): void {
    if (this.#pax === undefined) {
      this.#header(bytes);
      return;
    }
    const records = parsePax(bytes);
    if (this.#pax === "g") this.#globals = new Map([...this.#globals, ...records]);
    else this.#own = new Map([...this.#globals, ...records]);
    this.#pax = undefined;
    this.#cutter.skip(padding(bytes.length));
  }

  #header(block: Uint8Array): void {
    if (block.every((byte) => byte === 0)) return;
    const size = headerNumber(block.subarray(124, 136));
    // What is damaged is for the parser to name.
    if (size === undefined || headerNumber(block.subarray(148, 156)) !== checksumOf(block)) {
      this.#isLost = true;
      return;
    }
    const type = String.fromCharCode(block[156] ?? 0);
    if (type === "x" || type === "g") {
      if (size > MOST_PAX_BYTES) {
        throw new ResourceExhaustedError(
          `Cannot read the tar: an extended header of ${size} bytes, at most ${MOST_PAX_BYTES} are taken`,
        );
      }
      if (size === 0) return;
      this.#pax = type;
      this.#cutter.gather(size);
      return;
    }
    if (type === "L" || type === "K" || type === "N") {
      this.#cutter.skip(size + padding(size));
      return;
    }
    const records = this.#own ?? this.#globals;
    this.#own = undefined;
    this.#members.set(this.#cutter.offset, records);
    const content = type === "5" ? 0 : sizeIn(records, size);
    this.#cutter.skip(content + padding(content));
  }
}

function sizeIn(records: PaxRecords, otherwise: number): number {
  const text = records.get("size");
  return text === undefined ? otherwise : Number.parseInt(Buffer.from(text).toString("latin1"), 10);
}
