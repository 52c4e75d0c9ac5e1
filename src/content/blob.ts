import type { CallOptions } from "../call-options.js";
import { DataLossError, isAlreadyExists, ResourceExhaustedError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { digester, digestOf } from "../oci/digest.js";
import { verifyBytes } from "../oci/verify.js";
import type { Ingester, Provider, Store } from "./store.js";

const MOST_BYTES = 16 * 1024 * 1024;
const SMALL_BYTES = 4 * 1024 * 1024;

/**
 * Reads a whole blob into memory, verified.
 *
 * @example
 * ```ts
 * const manifest = parseManifest(await readBlob(client.content, image.target));
 * ```
 * @throws {ResourceExhaustedError} when it is larger than `maxBytes`, before anything is read. Default: 16 MiB
 * @throws {NotFoundError} when it is not there
 * @throws {DataLossError} when the bytes are not what the descriptor says
 */
export async function readBlob(
  provider: Provider,
  target: Descriptor,
  options: CallOptions & { readonly maxBytes?: number | undefined } = {},
): Promise<Uint8Array> {
  const { maxBytes = MOST_BYTES, ...call } = options;
  if (target.size > maxBytes) {
    throw new ResourceExhaustedError(
      `Cannot read ${target.digest} into memory: ${target.size} bytes, at most ${maxBytes} are taken`,
    );
  }
  const bytes = new Uint8Array(target.size);
  let at = 0;
  for await (const chunk of provider.read(target, call)) {
    if (at + chunk.length > bytes.length) {
      throw new DataLossError(`Cannot read ${target.digest}: expected ${target.size} bytes, got more`);
    }
    bytes.set(chunk, at);
    at += chunk.length;
  }
  verifyBytes(bytes.subarray(0, at), target);
  return bytes;
}

/** What a blob shall be called and how it is kept. */
export interface BlobOptions {
  /** The media type of the descriptor that is returned. The store does not keep it. */
  readonly mediaType: string;
  /** The ingest's name. Default: one made from the digest for bytes in memory, a random one for a stream. */
  readonly ref?: string | undefined;
  /** Labels of the blob. */
  readonly labels?: Labels | undefined;
}

/**
 * Writes a blob and says where it is. That it is there already is success. Under a lease the blob is safe until
 * something refers to it; without one the garbage collector may take it at once.
 *
 * @example
 * ```ts
 * await using lease = await client.leases.create();
 * const descriptor = await writeBlob(client.content, Buffer.from("{}"), { mediaType: "application/json" }, { lease });
 * ```
 * @throws {UnavailableError} when another writer has the ref open
 */
export async function writeBlob(
  ingester: Ingester,
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  { mediaType, ref, labels }: BlobOptions,
  call: CallOptions = {},
): Promise<Descriptor> {
  if (!(bytes instanceof Uint8Array)) return writeStream(ingester, bytes, { mediaType, ref, labels }, call);
  const expected = digestOf(bytes);
  const descriptor = { mediaType, digest: expected, size: bytes.length };
  const name = ref ?? `blob-${expected}`;
  try {
    if (bytes.length <= SMALL_BYTES && ingester.put !== undefined) {
      await ingester.put(name, bytes, { expected, labels, ...call });
      return descriptor;
    }
    await using writer = await ingester.writer(name, { size: bytes.length, expected, ...call });
    if (writer.offset > 0) await writer.truncate(0);
    await writer.write(bytes);
    await writer.commit({ size: bytes.length, expected, labels });
  } catch (reason) {
    if (!isAlreadyExists(reason)) throw reason;
    await keepExisting(ingester, descriptor, labels, call);
  }
  return descriptor;
}

async function writeStream(
  ingester: Ingester,
  source: AsyncIterable<Uint8Array>,
  { mediaType, ref, labels }: BlobOptions,
  call: CallOptions,
): Promise<Descriptor> {
  await using writer = await ingester.writer(ref ?? `stream-${crypto.randomUUID()}`, call);
  if (writer.offset > 0) await writer.truncate(0);
  const hash = digester();
  let size = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    size += chunk.length;
    await writer.write(chunk);
  }
  const digest = hash.digest();
  await writer.commit({ size, expected: digest, labels });
  return { mediaType, digest, size };
}

/** Labels given to a commit are dropped when the blob exists: they are set on it instead. */
async function keepExisting(
  ingester: Ingester,
  { digest, size }: Descriptor,
  labels: Labels | undefined,
  call: CallOptions,
): Promise<void> {
  if (!isStore(ingester)) return;
  const info = await ingester.info(digest, call);
  if (info.size !== size)
    throw new DataLossError(`Cannot use ${digest}: the store has ${info.size} bytes, expected ${size}`);
  const missing = Object.entries(labels ?? {}).filter(([key, value]) => info.labels[key] !== value);
  if (missing.length > 0) await ingester.update(digest, Object.fromEntries(missing), call);
}

function isStore(ingester: Ingester): ingester is Store {
  return "info" in ingester && "update" in ingester;
}
