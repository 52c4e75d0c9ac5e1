import type { CallOptions } from "../../call-options.js";
import { BlobClaims } from "../../content/blob-claims.js";
import { exists, orUndefined } from "../../content/found.js";
import type { Store, Writer } from "../../content/store.js";
import { AbortedError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { type Digest, digester } from "../../oci/digest.js";
import { TAR_END, type TarFile, type TarStreamFile, tarMember } from "../../tar/tar.js";

// Headers by themselves would be many small messages.
const FEW_BYTES = 256 * 1024;
const UNDO_MS = 10_000;

/**
 * The blobs one piece of work writes into a store, which go again when it fails: under a lease by that, otherwise because they are
 * deleted, unless another piece of work may have come to need them.
 */
export class StoreBlobs {
  readonly #store: Store;
  readonly #call: CallOptions;
  readonly #id = crypto.randomUUID();
  readonly #open = new Set<GrowingBlob>();
  readonly #claims: BlobClaims;
  readonly #claimed = new Map<Digest, number>();

  /** Writes to that store, with the caller's signal and lease. */
  constructor(store: Store, call: CallOptions) {
    this.#store = store;
    this.#call = call;
    this.#claims = BlobClaims.of(store);
  }

  /** Begins a blob. */
  async open(name: string): Promise<GrowingBlob> {
    const ref = `import-${this.#id}/${name}`;
    const blob = new GrowingBlob(ref, await this.#store.writer(ref, this.#call));
    this.#open.add(blob);
    return blob;
  }

  /** Makes a blob of what was written. */
  async close(blob: GrowingBlob, mediaType: string): Promise<Descriptor> {
    const { digest, size } = await blob.finish();
    if (this.#call.lease === undefined) await this.#claim(digest);
    await blob.commit(digest, size);
    this.#open.delete(blob);
    return { mediaType, digest, size };
  }

  /** Writes a blob at once. */
  async write(
    name: string,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    mediaType: string,
  ): Promise<Descriptor> {
    const blob = await this.open(name);
    for await (const chunk of chunks) await blob.write(chunk);
    return this.close(blob, mediaType);
  }

  /** Ends the need for a blob that served on the way. */
  async drop({ digest }: Pick<Descriptor, "digest">): Promise<void> {
    if (this.#claimed.has(digest)) await this.#release(digest);
  }

  /**
   * Ends the work: what was written stays.
   *
   * @throws {AbortedError} when a part is not there any more
   */
  async keep(parts: readonly Descriptor[]): Promise<void> {
    if (this.#call.lease !== undefined) return;
    for (const { digest } of parts) {
      if (await exists(this.#store.info(digest, this.#call))) continue;
      throw new AbortedError(`Cannot import the archive: somebody removed ${digest} while it was imported`, {
        hint: "Import it again; a lease keeps what others remove.",
      });
    }
    for (const [digest, count] of this.#claimed) for (let at = 0; at < count; at += 1) await this.#claims.keep(digest);
    this.#claimed.clear();
  }

  /** Ends the work without anything of it. Not with the caller's signal, which may be why. */
  async undo(): Promise<void> {
    for (const blob of this.#open) {
      await blob.leave();
      await orUndefined(this.#store.abort(blob.ref, this.#undo()));
    }
    while (this.#claimed.size > 0) for (const digest of this.#claimed.keys()) await this.#release(digest);
  }

  async #claim(digest: Digest): Promise<void> {
    await this.#claims.claim(digest);
    this.#claimed.set(digest, (this.#claimed.get(digest) ?? 0) + 1);
    if (!(await exists(this.#store.info(digest, this.#call)))) this.#claims.make(digest);
  }

  async #release(digest: Digest): Promise<void> {
    const remove = () => orUndefined(this.#store.delete(digest, this.#undo()));
    const left = (this.#claimed.get(digest) ?? 0) - 1;
    if (left > 0) this.#claimed.set(digest, left);
    else this.#claimed.delete(digest);
    await this.#claims.release(digest, remove);
  }

  #undo(): CallOptions {
    const { lease } = this.#call;
    return { timeoutMs: UNDO_MS, ...(lease === undefined ? {} : { lease }) };
  }
}

/** A blob that grows piece by piece. */
export class GrowingBlob {
  readonly ref: string;
  readonly #writer: Writer;
  readonly #hash = digester();
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #size = 0;

  /** Takes over the writer. */
  constructor(ref: string, writer: Writer) {
    this.ref = ref;
    this.#writer = writer;
  }

  /** Appends bytes. */
  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return;
    this.#hash.update(chunk);
    this.#size += chunk.length;
    this.#heldBytes += chunk.length;
    // Whoever gave it may use its memory again.
    this.#held.push(this.#heldBytes < FEW_BYTES ? Uint8Array.from(chunk) : chunk);
    if (this.#heldBytes >= FEW_BYTES) await this.#flush();
  }

  /** Appends a member of a tar. */
  async addMember(file: TarFile | TarStreamFile): Promise<void> {
    for await (const chunk of tarMember(file)) await this.write(chunk);
  }

  /** Appends what stands behind a tar's last member. */
  async endTar(): Promise<void> {
    await this.write(TAR_END);
  }

  /** @internal */
  async finish(): Promise<{ readonly digest: Digest; readonly size: number }> {
    await this.#flush();
    return { digest: this.#hash.digest(), size: this.#size };
  }

  /** @internal */
  async commit(expected: Digest, size: number): Promise<void> {
    await this.#writer.commit({ size, expected });
  }

  /** @internal */
  async leave(): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  async #flush(): Promise<void> {
    if (this.#heldBytes === 0) return;
    const [only] = this.#held;
    const chunk = this.#held.length === 1 && only !== undefined ? only : Buffer.concat(this.#held);
    [this.#held, this.#heldBytes] = [[], 0];
    await this.#writer.write(chunk);
  }
}
