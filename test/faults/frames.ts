/** Where a call is when the relay sees it: its head came, all of the question came, its answer ended. */
export type Boundary = "request" | "sent" | "reply";

const PREFACE_BYTES = 24;
const HEAD_BYTES = 9;
const DATA = 0;
const HEADERS = 1;
const END_STREAM = 1;

/** One HTTP/2 frame, or the preface, as it lay on the wire. */
export interface Frame {
  readonly bytes: Buffer;
  readonly stream: number;
  readonly opens: boolean;
  readonly ends: boolean;
}

/** Cuts one direction of an HTTP/2 connection into its frames. */
export class FrameCutter {
  #rest: Buffer = Buffer.alloc(0);
  #preface: boolean;

  constructor(from: "client" | "server") {
    this.#preface = from === "client";
  }

  /** Takes the bytes that came, gives the frames that are whole now. */
  *cut(bytes: Buffer): Generator<Frame, void, undefined> {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) yield frame;
  }

  #next(): Frame | undefined {
    if (this.#preface) {
      if (this.#rest.length < PREFACE_BYTES) return undefined;
      this.#preface = false;
      return { bytes: this.#take(PREFACE_BYTES), stream: 0, opens: false, ends: false };
    }
    if (this.#rest.length < HEAD_BYTES) return undefined;
    const length = HEAD_BYTES + this.#rest.readUIntBE(0, 3);
    if (this.#rest.length < length) return undefined;
    const bytes = this.#take(length);
    const [type, flags] = [bytes[3], bytes[4] ?? 0];
    const ends = (type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0;
    return { bytes, stream: bytes.readUInt32BE(5) & 0x7fffffff, opens: type === HEADERS, ends };
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}
