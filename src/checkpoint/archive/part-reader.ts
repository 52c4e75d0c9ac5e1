import { compressionOf } from "../../tar/decompress.js";
import { Documents } from "./documents.js";
import { documentBytes, type WholeLimits } from "./limits.js";
import { MemberPaths, refusal } from "./member-paths.js";
import type { ArchiveEntry, ArchivePart, ArchivePartBase, CriuPart } from "./part.js";
import { isParentLink, kindOf } from "./part-kind.js";

const LONGEST_MAGIC = 4;

/** Tells the members of one archive apart. */
export class PartReader {
  readonly #limits: WholeLimits;
  readonly #documents: Documents;
  readonly #paths: MemberPaths;
  readonly #images = new Set<string>();

  /** Begins an archive. */
  constructor(limits: WholeLimits) {
    this.#limits = limits;
    this.#documents = new Documents(limits);
    this.#paths = new MemberPaths(limits);
  }

  /** @throws {InvalidArgumentError} when it is not what an archive may hold */
  async part(entry: ArchiveEntry): Promise<ArchivePart> {
    const name = this.#paths.take(entry);
    const { size, mode, modifiedAt, body } = entry;
    const base: ArchivePartBase = { name, size, mode, modifiedAt, body };
    if (entry.type === "directory") return { ...base, kind: "directory" };
    if (entry.type === "symlink" && isParentLink(name)) {
      const { linkName: target = "" } = entry;
      if (Buffer.byteLength(target) > this.#limits.maxNameBytes)
        throw refusal(name, "it points to a name that is too long");
      return { ...base, kind: "parent", target };
    }
    if (entry.type !== "file") throw refusal(entry.name, `it is a ${entry.type}, expected a file or a directory`);
    return this.#file(base);
  }

  async #file(base: ArchivePartBase): Promise<ArchivePart> {
    const { name } = base;
    const known = kindOf(name);
    switch (known.kind) {
      case "config":
      case "spec":
      case "status":
      case "pod": {
        const { kind } = known;
        return this.#document(base, (bytes, whole) => ({
          ...whole,
          kind,
          document: this.#documents.object(name, bytes),
        }));
      }
      case "network":
        return this.#document(base, (bytes, whole) => ({
          ...whole,
          kind: "network",
          document: this.#documents.optionalObject(name, bytes),
        }));
      case "deleted-files":
        return this.#document(base, (bytes, whole) => ({
          ...whole,
          kind: "deleted-files",
          paths: this.#documents.paths(name, bytes),
        }));
      case "bind-mounts":
        return this.#document(base, (bytes, whole) => ({
          ...whole,
          kind: "bind-mounts",
          mounts: this.#documents.bindMounts(name, bytes),
        }));
      case "rootfs-diff": {
        const { start, body } = await peeked(base.body);
        return { ...base, body, kind: "rootfs-diff", compression: compressionOf(start) };
      }
      case "criu":
        this.#takeImage(base.name, known);
        return { ...base, ...known };
      case "log":
      case "other":
      case "shm":
      case "stats":
      case "volume":
        return { ...base, ...known };
    }
  }

  /** A dump that lies flat and one in a directory would be taken for one. */
  #takeImage(name: string, { checkpoint = "", isPreDump, image }: Omit<CriuPart, keyof ArchivePartBase>): void {
    const key = `${checkpoint}/${isPreDump}/${image}`;
    if (this.#images.has(key)) throw refusal(name, "its dump has it already");
    this.#images.add(key);
  }

  async #document(
    base: ArchivePartBase,
    parse: (bytes: Uint8Array, whole: ArchivePartBase) => ArchivePart,
  ): Promise<ArchivePart> {
    const bytes = await documentBytes(base.name, base.size, base.body, this.#limits);
    return parse(bytes, { ...base, body: repeatable(bytes) });
  }
}

/** A body that can be read again and again. */
export function repeatable(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      if (bytes.length > 0) yield bytes;
    },
  };
}

/** Looks at how a body begins, and gives it back whole. */
export async function peeked(
  body: AsyncIterable<Uint8Array>,
): Promise<{ readonly start: Uint8Array; readonly body: AsyncIterable<Uint8Array> }> {
  const chunks = body[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let length = 0;
  while (length < LONGEST_MAGIC) {
    const next = await chunks.next();
    if (next.done) break;
    head.push(next.value);
    length += next.value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* head;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  }
  return { start: Buffer.concat(head), body: whole() };
}
