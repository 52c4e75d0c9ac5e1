import { randomUUID } from "node:crypto";
import { chmod, lstat, mkdir, open, readdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { FailedPreconditionError, NotFoundError, NotImplementedError } from "../../errors.js";
import { encodeIndex } from "../../oci/image-index.js";
import { fieldOf, parseJsonObject } from "../../oci/json.js";
import { MEDIA_TYPE_INDEX } from "../../oci/media-types.js";
import { Claims } from "./claims.js";
import { isFileError } from "./file-errors.js";
import { isDirectory, readPlain, syncDirectory } from "./files.js";
import { isAlive, ownIdentity } from "./process-identity.js";

/** How a layout is opened. */
export interface LayoutOptions {
  /** Makes the layout when there is none: in a directory that is empty or not there yet. */
  readonly create?: boolean | undefined;
  /**
   * Lets everybody on the machine read the blobs and directories that are written. Without it only this user can, because a checkpoint
   * holds the memory of a program.
   */
  readonly public?: boolean | undefined;
}

const VERSION_FILE = "oci-layout";
const VERSION = "1.0.0";
const MOST_VERSION_BYTES = 4096;
/** Other tools leave alone what they do not know in a layout. */
const PRIVATE = ".containerd-client";
const rooms = ["ingests", "labels", "locks", "temporary"] as const;
const STALE_MS = 60 * 60 * 1000;

/** Where things are in a layout, and how they are written so that they are there whole or not at all. */
export class LayoutDirectory {
  /** The layout's own path, without links. */
  readonly path: string;
  /** The locks of the layout; {@link prepare} comes first. */
  readonly claims: Claims;
  readonly #isPublic: boolean;
  #prepared: Promise<void> | undefined;
  #hasPrivate = false;

  private constructor(path: string, isPublic: boolean) {
    this.path = path;
    this.#isPublic = isPublic;
    this.claims = new Claims(this.private("locks"));
  }

  /** Opens a layout. */
  static async open(path: string, options: LayoutOptions): Promise<LayoutDirectory> {
    if (options.create === true) await makeLasting(resolve(path));
    const directory = new LayoutDirectory(await realpath(path), options.public === true);
    if (options.create === true) await directory.#create();
    const version = await readPlain(join(directory.path, VERSION_FILE), MOST_VERSION_BYTES);
    if (version === undefined)
      throw new NotFoundError(`There is no image layout in ${path}: it has no file ${VERSION_FILE}`);
    const found = fieldOf(parseJsonObject(version, VERSION_FILE), "imageLayoutVersion");
    if (found !== VERSION) {
      throw new NotImplementedError(
        `Cannot open layout ${path}: its version is ${JSON.stringify(found)}, expected ${VERSION}`,
      );
    }
    await isDirectory(join(directory.path, "blobs"));
    return directory;
  }

  /** Who may use a file that is written. */
  get fileMode(): number {
    return this.#isPublic ? 0o644 : 0o600;
  }

  get index(): string {
    return join(this.path, "index.json");
  }

  get blobs(): string {
    return join(this.path, "blobs");
  }

  /** A part of the directory that is for this library only. */
  private(room: (typeof rooms)[number], ...names: readonly string[]): string {
    return join(this.path, PRIVATE, room, ...names);
  }

  /** Makes what is needed to write, once, and removes what dead processes left. */
  prepare(): Promise<void> {
    this.#prepared ??= this.#prepare().catch((reason: unknown) => {
      this.#prepared = undefined;
      throw reason;
    });
    return this.#prepared;
  }

  /** Tells whether anything was ever written here by this library. */
  async hasPrivate(): Promise<boolean> {
    if (this.#hasPrivate) return true;
    if (!(await isDirectory(join(this.path, PRIVATE)))) return false;
    const there = await Promise.all(rooms.map((room) => isDirectory(this.private(room))));
    this.#hasPrivate = there.every((one) => one);
    return this.#hasPrivate;
  }

  /** Makes a directory in the layout, and makes that last. */
  async makeDirectory(path: string, mode: number = this.#isPublic ? 0o755 : 0o700): Promise<void> {
    if (await isDirectory(path)) return;
    try {
      await mkdir(path, { mode });
      // What the process's umask took away.
      if (this.#isPublic) await chmod(path, mode);
    } catch (reason) {
      if (!isFileError(reason, "EEXIST") || !(await isDirectory(path))) throw reason;
    }
    await syncDirectory(dirname(path));
  }

  /** Replaces a file with one that has these bytes; whoever looks sees the one or the other. */
  async replace(
    path: string,
    bytes: Uint8Array | string | AsyncIterable<Uint8Array>,
    { mode = 0o600, isDurable = true }: { readonly mode?: number; readonly isDurable?: boolean } = {},
  ): Promise<void> {
    const temporary = this.private("temporary", `${randomUUID()}_${ownIdentity()}`);
    const handle = await open(temporary, "wx", mode);
    try {
      try {
        await writeFile(handle, bytes);
        await handle.chmod(mode);
        if (isDurable) await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (reason) {
      await rm(temporary, { force: true });
      throw reason;
    }
    if (isDurable) await syncDirectory(dirname(path));
  }

  async #create(): Promise<void> {
    // The version comes last: without it a layout that was only half made is made again.
    const ours: readonly string[] = [VERSION_FILE, "index.json", "blobs", PRIVATE];
    const there = await readdir(this.path);
    if (there.includes(VERSION_FILE)) return;
    const stranger = there.find((name) => !ours.includes(name));
    if (stranger !== undefined) {
      throw new FailedPreconditionError(
        `Cannot make a layout in ${this.path}: it has ${JSON.stringify(stranger)} in it`,
      );
    }
    if (this.#isPublic) await chmod(this.path, 0o755);
    await this.prepare();
    await this.claims.during(
      "index",
      () => {},
      async () => {
        await this.makeDirectory(this.blobs);
        await this.makeDirectory(join(this.blobs, "sha256"));
        if ((await readPlain(this.index, Number.POSITIVE_INFINITY)) === undefined) {
          const empty = encodeIndex({ schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests: [] });
          await this.replace(this.index, empty, { mode: this.fileMode });
        }
        await this.replace(join(this.path, VERSION_FILE), JSON.stringify({ imageLayoutVersion: VERSION }), {
          mode: this.fileMode,
        });
      },
    );
  }

  async #prepare(): Promise<void> {
    await this.makeDirectory(join(this.path, PRIVATE), 0o700);
    for (const room of rooms) await this.makeDirectory(this.private(room), 0o700);
    await this.claims.sweep();
    for (const name of await readdir(this.private("temporary"))) {
      const path = this.private("temporary", name);
      const [, ...identity] = name.split("_");
      if (isAlive(identity.join("_")) ?? (await isFresh(path))) continue;
      await rm(path, { force: true });
    }
  }
}

/** Makes a directory with all above it. */
async function makeLasting(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncDirectory(dirname(at));
}

/** Whether a file was made lately; no longer when it is gone. */
export async function isFresh(path: string): Promise<boolean> {
  try {
    return Date.now() - (await lstat(path)).mtimeMs < STALE_MS;
  } catch (reason) {
    if (isFileError(reason, "ENOENT")) return false;
    throw reason;
  }
}
