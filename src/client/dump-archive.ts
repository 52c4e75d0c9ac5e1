import { type FileHandle, open } from "node:fs/promises";
import type { CallOptions } from "../call-options.js";
import { listTarMembers, type TarMember } from "../checkpoint/tar-members.js";
import { isFileError } from "../content/layout/file-errors.js";
import type { Provider } from "../content/store.js";
import { DataLossError, FailedPreconditionError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { algorithmOf, digester } from "../oci/digest.js";
import { MemberFiles } from "./member-files.js";
import { once } from "./once.js";

const CHUNK = 1024 * 1024;
// At least two: one is read into while another is written from.
const BUFFERS = 4;
const LONGEST_NAME = 255;

// Those found to be in order, by file and by what changes when a file is written to; a file of a store never is.
const MOST_REMEMBERED = 1000;
const inOrder = new Set<string>();

/** A dump in the file that the daemon keeps it in. */
export class DumpArchive {
  /** Closes the file. */
  readonly close: () => Promise<void>;
  readonly dump: Descriptor;
  /** The files in it, each once. */
  readonly members: readonly TarMember[];
  readonly #file: FileHandle;
  readonly #identity: string;

  private constructor(file: FileHandle, identity: string, dump: Descriptor, members: readonly TarMember[]) {
    this.#file = file;
    this.#identity = identity;
    this.dump = dump;
    this.members = members;
    this.close = once(() => file.close());
  }

  /**
   * Opens it and looks at what it holds; `undefined` when it is not there, for the daemon may keep it elsewhere.
   *
   * @throws {FailedPreconditionError} when that is anything but plain files beside each other
   * @throws {DataLossError} when it is not as long as it should be, or no tar
   */
  static async open(path: string, dump: Descriptor, call: CallOptions): Promise<DumpArchive | undefined> {
    const file = await open(path, "r").catch((reason: unknown) => {
      if (isFileError(reason, "ENOENT", "EACCES")) return undefined;
      throw reason;
    });
    if (file === undefined) return undefined;
    try {
      const { size, dev, ino, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
      if (size !== BigInt(dump.size)) {
        throw new DataLossError(`Cannot unpack ${dump.digest}: ${path} has ${size} bytes, expected ${dump.size}`);
      }
      const identity = [dump.digest, dev, ino, mtimeNs, ctimeNs].join(" ");
      return new DumpArchive(file, identity, dump, await plainMembers(file, dump, call));
    } catch (reason) {
      await file.close();
      throw reason;
    }
  }

  /** Whether it was hashed before, and did not change since. */
  get isInOrder(): boolean {
    return inOrder.has(this.#identity);
  }

  /** From now on it need not be hashed again, as long as it does not change. */
  foundInOrder(): void {
    if (inOrder.size >= MOST_REMEMBERED) inOrder.clear();
    inOrder.add(this.#identity);
  }

  /**
   * Writes its files into a directory. It is read once, and what is hashed is what is written; a file that was found to be in
   * order before and did not change since is not hashed again.
   *
   * @throws {DataLossError} when its bytes are not those its digest names
   */
  async unpack(directory: string, { signal }: CallOptions): Promise<void> {
    const { digest, size } = this.dump;
    const files = new MemberFiles(directory, this.members);
    const hash = this.isInOrder ? undefined : digester(algorithmOf(digest));
    const slots = Array.from({ length: BUFFERS }, () => ({
      buffer: Buffer.allocUnsafeSlow(CHUNK),
      written: Promise.resolve(),
    }));
    const read = async (at: number) => {
      const slot = slots[(at / CHUNK) % BUFFERS] as (typeof slots)[number];
      await slot.written;
      const bytes = slot.buffer.subarray(0, Math.min(CHUNK, size - at));
      await readFully(this.#file, bytes, at, this.dump);
      return { slot, bytes };
    };
    let next = read(0);
    try {
      for (let at = 0; at < size; at += CHUNK) {
        signal?.throwIfAborted();
        const { slot, bytes } = await next;
        if (at + CHUNK < size) next = read(at + CHUNK);
        slot.written = files.write(at, bytes);
        // Who needs the buffer next hears of a failure, or who waits for the end.
        for (const one of [next, slot.written]) one.catch(() => {});
        hash?.update(bytes);
      }
      await Promise.all(slots.map(({ written }) => written));
    } finally {
      // Nothing may be written any more when the directory is taken away.
      await Promise.allSettled([next, ...slots.map(({ written }) => written)]);
      await files.close();
    }
    if (hash === undefined) return;
    const found = hash.digest();
    if (found !== digest) throw new DataLossError(`Cannot unpack ${digest}: the bytes are ${found}`);
    this.foundInOrder();
  }
}

/** criu's images are plain files beside each other: what else an archive may hold would lead criu astray. */
async function plainMembers(file: FileHandle, dump: Descriptor, call: CallOptions): Promise<TarMember[]> {
  const provider: Provider = {
    async *read(_target, { offset = 0, length = 0 } = {}) {
      const bytes = Buffer.alloc(length);
      await readFully(file, bytes, offset, dump);
      yield bytes;
    },
  };
  const members: TarMember[] = [];
  const names = new Set<string>();
  for await (const member of listTarMembers(provider, dump, call)) {
    const { name, isFile, offset, size } = member;
    if (name === "" || name === ".") continue;
    if (!isFile || name === ".." || name.length > LONGEST_NAME || /[/\0]/.test(name) || names.has(name)) {
      throw new FailedPreconditionError(
        `Cannot unpack ${dump.digest}: ${JSON.stringify(name.slice(0, LONGEST_NAME))} is no plain file beside others`,
      );
    }
    if (offset + size >= dump.size)
      throw new DataLossError(`Cannot unpack ${dump.digest}: the tar ends inside ${name}`);
    names.add(name);
    members.push(member);
  }
  return members;
}

async function readFully(file: FileHandle, bytes: Uint8Array, offset: number, dump: Descriptor): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, offset + at);
    if (bytesRead === 0) throw new DataLossError(`Cannot unpack ${dump.digest}: its file ends too early`);
    at += bytesRead;
  }
}
