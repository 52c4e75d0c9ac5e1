import { stat } from "node:fs/promises";
import type { CallOptions } from "../../call-options.js";
import { DataLossError, FailedPreconditionError, InvalidArgumentError, NotFoundError } from "../../errors.js";
import { ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME } from "../../oci/annotations.js";
import { type Descriptor, parseDescriptor } from "../../oci/descriptor.js";
import { encodeIndex, type Index, parseIndex } from "../../oci/image-index.js";
import { MAX_DOCUMENT_SIZE } from "../../oci/json.js";
import { parseReference } from "../../oci/reference.js";
import type { BlobFiles } from "./blob-files.js";
import { type CallLimit, callLimit } from "./call-limit.js";
import { during } from "./file-errors.js";
import { readPlain } from "./files.js";
import type { LayoutDirectory } from "./layout-directory.js";

/**
 * The images an image layout names. Everything else that is in `index.json` stays as it is.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#indexjson-file
 */
export class LayoutIndex {
  readonly #directory: LayoutDirectory;
  readonly #blobs: BlobFiles;

  /** @internal */
  constructor(directory: LayoutDirectory, blobs: BlobFiles) {
    this.#directory = directory;
    this.#blobs = blobs;
  }

  /** Yields what the index refers to, with the name it has there; what has no name is found by its digest. */
  async *list(call: CallOptions = {}): AsyncGenerator<LayoutEntry, void, undefined> {
    const limit = callLimit(call);
    for (const target of (await during(`read ${this.#directory.index}`, () => this.#read())).manifests) {
      limit();
      const name = nameOf(target);
      yield { ...(name === undefined ? {} : { name }), target };
    }
  }

  /**
   * Finds an image: by its full name, by the part of it after the colon, or by its digest. Without a name it is the only one there is.
   *
   * @throws {NotFoundError} when there is none
   * @throws {FailedPreconditionError} when there are several
   */
  async resolve(name?: string, call: CallOptions = {}): Promise<Descriptor> {
    callLimit(call);
    const { manifests } = await during(`read ${this.#directory.index}`, () => this.#read());
    const found = name === undefined ? manifests : named(manifests, name);
    const what = name === undefined ? "an image" : JSON.stringify(name);
    const [first, ...others] = found;
    if (first === undefined) throw new NotFoundError(`Cannot resolve ${what}: ${this.#directory.index} has none`);
    if (others.some(({ digest }) => digest !== first.digest)) {
      throw new FailedPreconditionError(`Cannot resolve ${what}: ${this.#directory.index} has ${found.length}`, {
        hint: `Name one of: ${found.map((one) => nameOf(one) ?? one.digest).join(", ")}`,
      });
    }
    return first;
  }

  /**
   * Names an image, which is in the layout already; the name is taken from what had it before. A full name such as
   * `docker.io/library/redis:7` is also found by tools that know only what stands after its colon.
   *
   * @throws {InvalidArgumentError} when the name has other characters than letters, digits and `-._:@/+`
   * @throws {NotFoundError} when the target is not in the layout
   * @throws {DataLossError} when it has another size there
   */
  async tag(name: string, target: Descriptor, call: CallOptions = {}): Promise<void> {
    const limit = callLimit(call);
    if (!/^[A-Za-z0-9][A-Za-z0-9._:@/+-]*$/.test(name)) {
      throw new InvalidArgumentError(`Cannot tag ${JSON.stringify(name)}: expected letters, digits and -._:@/+`);
    }
    const entry = withName(parseDescriptor(target), name);
    const { size } = await during(`tag ${name}`, () => this.#blobs.info(target.digest));
    if (size !== target.size) {
      throw new DataLossError(`Cannot tag ${name}: ${target.digest} has ${size} bytes, expected ${target.size}`);
    }
    await this.#edit(limit, `tag ${name}`, (manifests) => [...freed(manifests, entry), entry]);
  }

  /**
   * Takes a name, and what it names, out of the index. The blobs stay.
   *
   * @throws {NotFoundError} when there is no such name
   */
  async untag(name: string, call: CallOptions = {}): Promise<void> {
    await this.#edit(callLimit(call), `untag ${name}`, (manifests) => {
      const gone = new Set(named(manifests, name));
      if (gone.size === 0) throw new NotFoundError(`Cannot untag ${JSON.stringify(name)}: there is no such name`);
      return manifests.filter((one) => !gone.has(one));
    });
  }

  async #read(): Promise<Index> {
    const bytes = await readPlain(this.#directory.index, MAX_DOCUMENT_SIZE);
    if (bytes === undefined) throw new NotFoundError(`There is no ${this.#directory.index}`);
    return parseIndex(bytes);
  }

  async #edit(
    limit: CallLimit,
    what: string,
    change: (manifests: readonly Descriptor[]) => readonly Descriptor[],
  ): Promise<void> {
    await during(what, async () => {
      await this.#directory.prepare();
      await this.#directory.claims.during("index", limit, async () => {
        const index = await this.#read();
        const manifests = change(index.manifests);
        const { mode } = await stat(this.#directory.index);
        await this.#directory.replace(this.#directory.index, encodeIndex({ ...index, manifests }), {
          mode: mode & 0o777,
        });
      });
    });
  }
}

/**
 * An image in a layout's index.
 *
 * @inline
 */
export interface LayoutEntry {
  /** Its name there; absent when it has none. */
  readonly name?: string;
  /** What it is. */
  readonly target: Descriptor;
}

/** containerd's and BuildKit's full name is the name; the tag alone is one for those that know no other. */
function nameOf({ annotations }: Descriptor): string | undefined {
  return annotations?.[ANNOTATION_IMAGE_NAME] ?? annotations?.[ANNOTATION_REF_NAME];
}

function named(manifests: readonly Descriptor[], name: string): readonly Descriptor[] {
  const exact = manifests.filter((one) => nameOf(one) === name);
  if (exact.length > 0) return exact;
  return manifests.filter(({ annotations, digest }) => annotations?.[ANNOTATION_REF_NAME] === name || digest === name);
}

function withName(target: Descriptor, name: string): Descriptor {
  const { [ANNOTATION_IMAGE_NAME]: _full, [ANNOTATION_REF_NAME]: _tag, ...others } = target.annotations ?? {};
  const tag = tagOf(name);
  const names =
    tag === undefined ? { [ANNOTATION_REF_NAME]: name } : { [ANNOTATION_IMAGE_NAME]: name, [ANNOTATION_REF_NAME]: tag };
  return { ...target, annotations: { ...others, ...names } };
}

/** The tag of a full name; undefined when the name is none. */
function tagOf(name: string): string | undefined {
  try {
    return parseReference(name).tag;
  } catch {
    return undefined;
  }
}

/** What remains when another entry takes its names. */
function freed(manifests: readonly Descriptor[], entry: Descriptor): readonly Descriptor[] {
  const name = nameOf(entry);
  const tag = entry.annotations?.[ANNOTATION_REF_NAME];
  return manifests.flatMap((one) => {
    if (nameOf(one) === name) return [];
    const { [ANNOTATION_REF_NAME]: ref, ...annotations } = one.annotations ?? {};
    if (ref === undefined || ref !== tag) return [one];
    // Two manifests of one tag could not be told apart by those who know only tags: the last one has it.
    return [{ ...one, annotations }];
  });
}
