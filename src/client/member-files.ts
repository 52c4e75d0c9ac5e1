import { type FileHandle, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TarMember } from "../checkpoint/tar-members.js";

const OWNER_ONLY = 0o600;

interface OpenMember extends TarMember {
  handle?: Promise<FileHandle>;
  left: number;
}

/** The members of a tar as files of one directory, written from the bytes of the tar as they come. */
export class MemberFiles {
  readonly #directory: string;
  readonly #members: OpenMember[];
  /** The first member that may still want bytes. */
  #first = 0;

  constructor(directory: string, members: readonly TarMember[]) {
    this.#directory = directory;
    this.#members = members.map((member) => ({ ...member, left: member.size }));
  }

  /** Writes what the members want of `bytes`, which lie at `at` in the tar. Each part of the tar comes once, in order. */
  async write(at: number, bytes: Uint8Array): Promise<void> {
    const end = at + bytes.length;
    const writes: Promise<void>[] = [];
    for (let index = this.#first; index < this.#members.length; index++) {
      const member = this.#members[index] as OpenMember;
      if (member.offset >= end) break;
      const memberEnd = member.offset + member.size;
      if (memberEnd <= end) this.#first = index + 1;
      const [from, to] = [Math.max(member.offset, at), Math.min(memberEnd, end)];
      writes.push(this.#put(member, bytes.subarray(from - at, to - at), from - member.offset));
    }
    const failed = (await Promise.allSettled(writes)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  }

  /** Closes what was not written to its end. */
  async close(): Promise<void> {
    const open = this.#members.map(({ handle }) => handle).filter((handle) => handle !== undefined);
    await Promise.allSettled(open.map(async (handle) => (await handle).close()));
  }

  async #put(member: OpenMember, bytes: Uint8Array, position: number): Promise<void> {
    const path = join(this.#directory, member.name);
    if (bytes.length === member.size) {
      await writeFile(path, bytes, { flag: "wx", mode: OWNER_ONLY });
      return;
    }
    member.handle ??= open(path, "wx", OWNER_ONLY);
    const handle = await member.handle;
    for (let done = 0; done < bytes.length; ) {
      done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    }
    member.left -= bytes.length;
    if (member.left > 0) return;
    delete member.handle;
    await handle.close();
  }
}
