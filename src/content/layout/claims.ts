import { randomUUID } from "node:crypto";
import { lstat, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UnavailableError } from "../../errors.js";
import type { CallLimit } from "./call-limit.js";
import { isFileError } from "./file-errors.js";
import { isAlive, ownIdentity } from "./process-identity.js";

// A lock between processes that ends with its holder. Everybody who wants it makes a file of his own and then looks for the others'.
// Whoever sees none has it, because the next one will see his; whoever sees one that is held gives up. The file of a process that
// is no more may be removed by anybody: nobody else ever has that name, so nothing that is alive can be removed by mistake.

const BEAT_MS = 5_000;
/** A holder that cannot be looked for is taken for dead when nothing was heard of him for so long. */
const SILENT_MS = 30_000;
const LONGEST_WAIT_MS = 10_000;

/** A lock that is held. */
export class Claim implements AsyncDisposable {
  readonly #path: string;
  readonly #beat: NodeJS.Timeout;

  constructor(path: string) {
    this.#path = path;
    this.#beat = setInterval(() => {
      const now = new Date();
      // When it is gone, check() says so.
      utimes(path, now, now).catch(() => {});
    }, BEAT_MS).unref();
  }

  /** The name of its file. */
  get name(): string {
    return basename(this.#path);
  }

  /** @throws {UnavailableError} when it was lost, because this process seemed dead to another one */
  async check(): Promise<void> {
    try {
      await lstat(this.#path);
    } catch (cause) {
      throw new UnavailableError("The lock was lost: this process stood still for too long", { cause });
    }
  }

  /** Tells whether others were there meanwhile, of one that was made by `join`. */
  async hasMet(): Promise<boolean> {
    try {
      return (await lstat(this.#path)).size > 0;
    } catch (reason) {
      if (isFileError(reason, "ENOENT")) return true;
      throw reason;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beat);
    await rm(this.#path, { force: true });
  }
}

/** Nobody else ever has that name. */
function nameOf(key: string): string {
  return `${key}_${randomUUID()}_${ownIdentity()}`;
}

interface Rival {
  readonly name: string;
  /** Since when it has the lock; undefined while it is still looking. */
  readonly heldAt: Date | undefined;
}

/** The locks of a layout. */
export class Claims {
  readonly #directory: string;
  readonly #turns = new Map<string, Promise<void>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Takes a lock, or says since when somebody else has it. */
  async take(key: string, limit: CallLimit): Promise<Claim | { readonly heldAt: Date }> {
    for (const end = performance.now() + LONGEST_WAIT_MS; ; ) {
      const name = nameOf(key);
      const path = join(this.#directory, name);
      await writeFile(path, "", { flag: "wx", mode: 0o600 });
      try {
        let rivals = await this.#rivals(key, name);
        // Of several who look at once, the first by name waits for the others to go.
        while (rivals.length > 0 && rivals.every((one) => one.heldAt === undefined && name < one.name)) {
          limit();
          if (performance.now() > end) break;
          await sleep(1);
          rivals = await this.#rivals(key, name);
        }
        if (rivals.length === 0) {
          await writeFile(path, new Date().toISOString(), { flag: "r+" });
          return new Claim(path);
        }
        await rm(path, { force: true });
        const heldAt = rivals.find((one) => one.heldAt !== undefined)?.heldAt;
        if (heldAt !== undefined || performance.now() > end) return { heldAt: heldAt ?? new Date() };
        limit();
      } catch (reason) {
        await rm(path, { force: true });
        throw reason;
      }
      await sleep(1 + Math.random() * 5);
    }
  }

  /** Does something while nobody else does anything under the same key; waits for them, but not for ever. */
  async during<T>(key: string, limit: CallLimit, act: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    let end = (): void => {};
    const turn = new Promise<void>((resolve) => {
      end = resolve;
    });
    const chain = before.then(() => turn);
    this.#turns.set(key, chain);
    try {
      await before;
      await using _claim = await this.#wait(key, limit);
      return await act();
    } finally {
      end();
      if (this.#turns.get(key) === chain) this.#turns.delete(key);
    }
  }

  /** Makes a claim beside those of others under the same key; it and they know from then on that they have met. */
  async join(key: string): Promise<Claim> {
    const path = join(this.#directory, nameOf(key));
    await writeFile(path, "", { flag: "wx", mode: 0o600 });
    const claim = new Claim(path);
    try {
      if (await this.meet(key, [claim])) await writeFile(path, new Date().toISOString(), { flag: "r+" });
      return claim;
    } catch (reason) {
      await claim[Symbol.asyncDispose]();
      throw reason;
    }
  }

  /** Lets those who joined know that they are not alone, and tells whether there are any. */
  async meet(key: string, own: Iterable<Claim>): Promise<boolean> {
    const met = await this.#others(key, own);
    for (const { name } of met) {
      try {
        await writeFile(join(this.#directory, name), new Date().toISOString(), { flag: "r+" });
      } catch (reason) {
        if (!isFileError(reason, "ENOENT")) throw reason;
      }
    }
    return met.length > 0;
  }

  /** Whether there are any others than one's own. */
  async hasOthers(key: string, own: Iterable<Claim>): Promise<boolean> {
    return (await this.#others(key, own)).length > 0;
  }

  /** Removes what dead processes left. */
  async sweep(): Promise<void> {
    await Promise.all((await readdir(this.#directory)).map((name) => this.#look(name)));
  }

  async #wait(key: string, limit: CallLimit): Promise<Claim> {
    for (const end = performance.now() + LONGEST_WAIT_MS; ; ) {
      const taken = await this.take(key, limit);
      if (taken instanceof Claim) return taken;
      if (performance.now() > end) {
        throw new UnavailableError(`The layout is locked by another process since ${taken.heldAt.toISOString()}`);
      }
      limit();
      await sleep(1 + Math.random() * 10);
    }
  }

  #others(key: string, own: Iterable<Claim>): Promise<Rival[]> {
    return this.#rivals(key, ...Array.from(own, ({ name }) => name));
  }

  async #rivals(key: string, ...own: readonly string[]): Promise<Rival[]> {
    const found = await readdir(this.#directory);
    const names = found.filter((name) => name.startsWith(`${key}_`) && !own.includes(name));
    const rivals = await Promise.all(names.map((name) => this.#look(name)));
    return rivals.filter((one) => one !== undefined);
  }

  async #look(name: string): Promise<Rival | undefined> {
    const path = join(this.#directory, name);
    const [, , ...identity] = name.split("_");
    try {
      const alive = isAlive(identity.join("_")) ?? Date.now() - (await lstat(path)).mtimeMs < SILENT_MS;
      if (!alive) {
        await rm(path, { force: true });
        return undefined;
      }
      const text = await readFile(path, "utf8");
      return { name, heldAt: text === "" ? undefined : new Date(text) };
    } catch (reason) {
      if (isFileError(reason, "ENOENT")) return undefined;
      throw reason;
    }
  }
}
