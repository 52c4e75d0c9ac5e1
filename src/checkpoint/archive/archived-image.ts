import { imageOf } from "../../content/archive/image-name.js";
import { blobPath, checkLayout, INDEX_FILE, LAYOUT_FILE } from "../../content/archive/member-name.js";
import { checkRange } from "../../content/range.js";
import type { Provider, Range } from "../../content/store.js";
import { verified } from "../../content/verified.js";
import { DataLossError, InvalidArgumentError, NotFoundError, ResourceExhaustedError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { parseIndex } from "../../oci/image-index.js";
import { parseJsonObject } from "../../oci/json.js";
import type { TarEntry, TarHeader } from "../../tar/tar.js";
import type { WholeLimits } from "./limits.js";
import { MemberPaths, refusal } from "./member-paths.js";

type Entries = AsyncIterable<TarEntry>;

/** Whether a member can only be one of an OCI archive. */
export function isOfImage({ name }: Pick<TarHeader, "name">): boolean {
  return /^(?:\.\/)?(?:blobs\/|oci-layout$|index\.json$|manifest\.json$|repositories$)/.test(name);
}

/** The blobs of an OCI archive: held in memory as far as they are few, and otherwise read from the archive again. */
export class ArchivedImage implements Provider {
  readonly #held: ReadonlyMap<string, Uint8Array>;
  readonly #again: (() => Entries) | undefined;
  readonly #names: ReadonlySet<string>;

  private constructor(held: ReadonlyMap<string, Uint8Array>, names: ReadonlySet<string>, again?: () => Entries) {
    this.#held = held;
    this.#names = names;
    this.#again = again;
  }

  /**
   * Reads an archive to its end.
   *
   * @throws {ResourceExhaustedError} when it is too large to be held, and cannot be opened again
   */
  static async of(entries: Entries, again: (() => Entries) | undefined, limits: WholeLimits): Promise<ArchivedImage> {
    const held = new Map<string, Uint8Array>();
    const paths = new MemberPaths(limits);
    const names = new Set<string>();
    let bytes = 0;
    for await (const entry of entries) {
      const name = paths.take(entry);
      if (entry.type === "directory") continue;
      if (entry.type !== "file") throw refusal(name, `it is a ${entry.type}, expected a file or a directory`);
      names.add(name);
      if (bytes + entry.size > limits.maxHeldBytes) {
        if (again !== undefined) continue;
        throw new ResourceExhaustedError(
          `Cannot read the archive: it holds an image of more than ${limits.maxHeldBytes} bytes, which would have to be held in memory`,
          { hint: "Give a function that opens the archive again." },
        );
      }
      bytes += entry.size;
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry.body) chunks.push(chunk);
      held.set(name, Buffer.concat(chunks));
    }
    return new ArchivedImage(held, names, again);
  }

  /**
   * What an image of the archive stands for.
   *
   * @throws {InvalidArgumentError} when there are several, and none is named
   * @throws {NotFoundError} when none has that name
   */
  target(wanted: string | undefined): Descriptor {
    checkLayout(parseJsonObject(this.#document(LAYOUT_FILE), LAYOUT_FILE)["imageLayoutVersion"]);
    const images = parseIndex(this.#document(INDEX_FILE)).manifests.map(imageOf);
    const named = images.filter(({ name, refName }) => wanted === undefined || wanted === name || wanted === refName);
    const [image, ...others] = named;
    const known = JSON.stringify(
      images.map(({ name, refName, target }) => name ?? refName ?? target.digest).slice(0, 20),
    );
    if (image === undefined) {
      throw new NotFoundError(`Cannot read the archive: it has no image ${JSON.stringify(wanted)}, only ${known}`);
    }
    if (others.length > 0) {
      throw new InvalidArgumentError(`Cannot read the archive: it has several images, ${known}`, {
        hint: "Say which one is meant.",
      });
    }
    return image.target;
  }

  async *read(
    target: Pick<Descriptor, "digest"> & { readonly size?: number },
    range: Range = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    checkRange(range);
    const { offset = 0, length } = range;
    if (offset > 0 || length !== undefined) {
      throw new InvalidArgumentError(`Cannot read a part of ${target.digest}: an archive is read from its beginning`);
    }
    yield* verified(this.#bytes(blobPath(target.digest)), target);
  }

  async *#bytes(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const held = this.#held.get(path);
    if (held !== undefined) {
      yield held;
      return;
    }
    if (this.#again === undefined || !this.#names.has(path)) {
      throw new NotFoundError(`Cannot read the archive: it has no ${path}`);
    }
    for await (const { name, type, body } of this.#again()) {
      if (type !== "file" || name.replace(/^(?:\.\/)+/, "") !== path) continue;
      yield* body;
      return;
    }
    throw new DataLossError(`Cannot read the archive: ${path} is gone now that it was opened again`);
  }

  #document(name: string): Uint8Array {
    const bytes = this.#held.get(name);
    if (bytes === undefined) throw new DataLossError(`Cannot read the archive: it holds an image, but has no ${name}`);
    return bytes;
  }
}
