import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { Decompress } from "fzstd";
import { DataLossError } from "../errors.js";
import { checkHuffmanWeights } from "./huffman-weights.js";
import { SequenceCheck } from "./sequences.js";
import { Xxh64 } from "./xxh64.js";

/** Unpacks one frame, of which at most one block is given at a time. */
export interface ZstdFrame {
  /** Takes the next bytes and gives what came of them. */
  push(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Takes a packed block, behind the three bytes of its header. */
  pushPacked(bytes: Buffer): Promise<readonly Uint8Array[]>;
  /** Gives what is left. */
  end(): Promise<readonly Uint8Array[]>;
  /** Frees what it holds; harmless after the end. */
  discard(): void;
}

const BLOCK_HEADER_BYTES = 3;
const { createZstdDecompress } = zlib as { readonly createZstdDecompress?: () => Transform };

/** Begins a frame: with Node.js' own zstd where it has it, and otherwise in JavaScript. */
export function zstdFrame(hasChecksum: boolean): ZstdFrame {
  return createZstdDecompress === undefined ? new ScriptFrame(hasChecksum) : new NativeFrame(createZstdDecompress());
}

class NativeFrame implements ZstdFrame {
  readonly #stream: Transform;
  readonly #ended: Promise<void>;
  #output: Uint8Array[] = [];

  constructor(stream: Transform) {
    this.#stream = stream;
    this.#ended = new Promise((resolve, reject) => {
      stream.on("end", resolve);
      stream.on("error", reject);
    });
    // Whoever pushes or ends is told.
    this.#ended.catch(() => {});
    stream.on("data", (chunk: Uint8Array) => this.#output.push(chunk));
  }

  async push(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    const written = new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (reason) => (reason ? reject(reason) : resolve()));
    });
    // What fails while it is being unpacked is reported by the stream alone, and the write is never heard of again.
    await Promise.race([written, this.#ended]);
    return this.#taken();
  }

  pushPacked(bytes: Buffer): Promise<readonly Uint8Array[]> {
    return this.push(bytes);
  }

  async end(): Promise<readonly Uint8Array[]> {
    this.#stream.end();
    await this.#ended;
    return this.#taken();
  }

  discard(): void {
    this.#stream.destroy();
  }

  #taken(): readonly Uint8Array[] {
    const taken = this.#output;
    this.#output = [];
    return taken;
  }
}

class ScriptFrame implements ZstdFrame {
  // It does not look at the checksum itself.
  readonly #hash: Xxh64 | undefined;
  readonly #decoder: Decompress;
  readonly #sequences = new SequenceCheck();
  #output: Uint8Array[] = [];
  #last: Uint8Array = new Uint8Array();

  constructor(hasChecksum: boolean) {
    this.#hash = hasChecksum ? new Xxh64() : undefined;
    this.#decoder = new Decompress((chunk) => {
      if (chunk.length > 0) this.#output.push(chunk.slice());
    });
  }

  async push(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    this.#last = bytes;
    return this.#run(() => this.#decoder.push(bytes));
  }

  async pushPacked(bytes: Buffer): Promise<readonly Uint8Array[]> {
    const block = bytes.subarray(BLOCK_HEADER_BYTES);
    // In broken ones it would look for an end for ever, or for hours.
    checkHuffmanWeights(block);
    this.#sequences.check(block);
    return this.push(bytes);
  }

  async end(): Promise<readonly Uint8Array[]> {
    const rest = this.#run(() => this.#decoder.push(new Uint8Array(), true));
    if (this.#hash === undefined) return rest;
    const expected = Buffer.from(this.#last).readUInt32LE(0);
    if (Number(this.#hash.digest() & 0xffffffffn) !== expected) {
      throw new DataLossError("Cannot unpack zstd: the checksum of a frame is wrong");
    }
    return rest;
  }

  discard(): void {
    this.#output = [];
  }

  #run(work: () => void): readonly Uint8Array[] {
    this.#output = [];
    work();
    for (const chunk of this.#output) this.#hash?.update(chunk);
    return this.#output;
  }
}
