import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileError } from "../../content/layout/file-errors.js";
import { ResourceExhaustedError } from "../../errors.js";
import { readAll } from "../../tree/read-all.js";

/** The bytes of a file in a memory tree. They never change; a file gets others. */
export interface Content {
  /** Tells contents apart. */
  readonly id: string;
  readonly size: number;
  read(): AsyncIterable<Uint8Array>;
}

/** Where a memory tree puts what its files hold. */
export interface Contents {
  /** The most bytes of one unpacked layer. */
  readonly mostLayerBytes: number;
  /** Takes bytes in. */
  take(body: AsyncIterable<Uint8Array>): Promise<Content>;
  /** Forgets bytes that no file holds any more, if they are its own. */
  drop(content: Content): void;
}

const MOST_IN_MEMORY = 2 * 2 ** 30;
const MOST_ON_DISK = 64 * 2 ** 30;
let made = 0;

/** Contents that are bytes in this process. */
export const contentsInMemory: Contents = {
  mostLayerBytes: MOST_IN_MEMORY,
  async take(body) {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of body) {
      length += chunk.length;
      if (length > MOST_IN_MEMORY) {
        throw new ResourceExhaustedError(`Cannot keep a file in memory: more than ${MOST_IN_MEMORY} bytes`);
      }
      // Copied, for who yields a chunk may use its room again.
      chunks.push(chunk.slice());
    }
    const bytes = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
    return {
      id: `memory ${++made}`,
      size: bytes.length,
      async *read() {
        if (bytes.length > 0) yield bytes.slice();
      },
    };
  },
  drop() {},
};

/** Contents that are files of one snapshot's directory. */
export class ContentFiles implements Contents {
  readonly mostLayerBytes: number = MOST_ON_DISK;
  readonly #root: string;
  readonly #snapshot: string;

  constructor(root: string, snapshot: string) {
    this.#root = root;
    this.#snapshot = snapshot;
  }

  /** The content a journal names, which may be of a snapshot below. */
  static at(root: string, id: string, size: number): Content {
    return {
      id,
      size,
      async *read() {
        if (size > 0) yield* readAll(openSync(join(root, id), "r"));
      },
    };
  }

  async take(body: AsyncIterable<Uint8Array>): Promise<Content> {
    const id = `${this.#snapshot}/data/${crypto.randomUUID()}`;
    mkdirSync(join(this.#root, this.#snapshot, "data"), { recursive: true });
    const fd = openSync(join(this.#root, id), "wx", 0o600);
    let size = 0;
    try {
      for await (const chunk of body) {
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
        size += chunk.length;
      }
    } catch (reason) {
      rmSync(join(this.#root, id), { force: true });
      throw fileError(reason, `write ${join(this.#root, id)}`);
    } finally {
      closeSync(fd);
    }
    return ContentFiles.at(this.#root, id, size);
  }

  drop({ id }: Content): void {
    if (id.startsWith(`${this.#snapshot}/`)) rmSync(join(this.#root, id), { force: true });
  }

  /** Removes what no node holds: it was being written when the process ended. */
  dropOthers(nodes: ReadonlyMap<number, { readonly content?: Content | undefined }>): void {
    const directory = join(this.#root, this.#snapshot, "data");
    if (!existsSync(directory)) return;
    const held = new Set([...nodes.values()].map(({ content }) => content?.id));
    for (const name of readdirSync(directory)) {
      const id = `${this.#snapshot}/data/${name}`;
      if (!held.has(id)) rmSync(join(this.#root, id), { force: true });
    }
  }
}
