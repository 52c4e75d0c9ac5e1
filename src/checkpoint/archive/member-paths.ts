import { InvalidArgumentError, ResourceExhaustedError } from "../../errors.js";
import type { WholeLimits } from "./limits.js";
import type { ArchiveEntry } from "./part.js";

// Both are separators or ends of names to somebody.
const FORBIDDEN = /[\p{Cc}\\]/u;

/** The names of an archive's members, each of which may come once. */
export class MemberPaths {
  readonly #limits: WholeLimits;
  readonly #files = new Set<string>();
  readonly #directories = new Set<string>();
  readonly #parents = new Set<string>();

  /** Begins without names. */
  constructor(limits: WholeLimits) {
    this.#limits = limits;
  }

  /**
   * Cleans a member's name.
   *
   * @throws {InvalidArgumentError} when it leads elsewhere, or was there before, or is a file where another needs a directory
   * @throws {ResourceExhaustedError} when it is too long or too deep
   */
  take(member: Pick<ArchiveEntry, "name" | "type">): string {
    const isDirectory = member.type === "directory";
    const path = this.#clean(member.name, isDirectory);
    // Two spellings of one name are one file on some filesystems.
    const key = path.normalize("NFC");
    const isTaken = this.#files.has(key) || (isDirectory ? this.#directories : this.#parents).has(key);
    if (isTaken || (!isDirectory && this.#directories.has(key))) throw refusal(member.name, "it comes twice");
    (isDirectory ? this.#directories : this.#files).add(key);
    for (let slash = key.lastIndexOf("/"); slash > 0; slash = key.lastIndexOf("/", slash - 1)) {
      const parent = key.slice(0, slash);
      if (this.#files.has(parent)) throw refusal(member.name, `${JSON.stringify(parent)} is no directory`);
      if (this.#parents.has(parent)) break;
      this.#parents.add(parent);
    }
    return path;
  }

  #clean(name: string, isDirectory: boolean): string {
    const { maxNameBytes, maxDepth } = this.#limits;
    const bytes = Buffer.byteLength(name);
    if (bytes > maxNameBytes) {
      throw new ResourceExhaustedError(
        `Cannot read member ${quoted(name)} of the archive: a name of ${bytes} bytes, at most ${maxNameBytes} are taken`,
      );
    }
    const bare = isDirectory ? name.replace(/\/$/, "") : name;
    if (isDirectory && bare === ".") return bare;
    const path = bare.replace(/^(?:\.\/)+/, "");
    if (FORBIDDEN.test(path)) throw refusal(name, "its name has a character that names must not have");
    const segments = path.split("/");
    if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
      throw refusal(name, "its name does not lead straight down");
    }
    if (segments.length > maxDepth) {
      throw new ResourceExhaustedError(
        `Cannot read member ${quoted(name)} of the archive: ${segments.length} levels, at most ${maxDepth} are taken`,
      );
    }
    return path;
  }
}

/** The error for a member that is not taken. */
export function refusal(name: string, why: string, cause?: unknown): InvalidArgumentError {
  const facts = cause === undefined ? {} : { cause };
  return new InvalidArgumentError(`Cannot read member ${quoted(name)} of the archive: ${why}`, facts);
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 160));
}
