import type { CallOptions } from "../call-options.js";
import { DataLossError, InvalidArgumentError, isAlreadyExists, ResourceExhaustedError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { algorithmOf, digester, digestOf } from "../oci/digest.js";
import { verifyBytes } from "../oci/verify.js";
import { withDeadline } from "./deadline.js";
import { keepExisting } from "./existing.js";
import type { Info, Ingester, Manager, Provider, PutOptions } from "./store.js";
import { untilAborted } from "./until-aborted.js";

const MOST_BYTES = 16 * 1024 * 1024;

/** How a blob is read into memory. */
export interface ReadBlobOptions extends CallOptions {
  /** The largest blob taken, in bytes. Default: 16 MiB. */
  readonly maxBytes?: number | undefined;
}

/**
 * Reads a whole blob into memory, verified. What the descriptor itself carries is not asked for.
 *
 * @example
 * ```ts
 * const manifest = parseManifest(await readBlob(client.content, image.target));
 * ```
 * @throws {ResourceExhaustedError} when it is larger than `maxBytes`, before anything is read
 * @throws {NotFoundError} when it is not there
 * @throws {DataLossError} when the bytes are not what the descriptor says
 */
export async function readBlob(
  provider: Provider,
  target: Descriptor,
  options: ReadBlobOptions = {},
): Promise<Uint8Array> {
  const { maxBytes = MOST_BYTES, ...call } = options;
  if (!Number.isSafeInteger(target.size) || target.size < 0) {
    throw new InvalidArgumentError(`Cannot read ${target.digest}: its size is ${target.size}`);
  }
  if (target.size > maxBytes) {
    throw new ResourceExhaustedError(
      `Cannot read ${target.digest} into memory: ${target.size} bytes, at most ${maxBytes} are taken`,
    );
  }
  const carried = carriedBy(target);
  if (carried !== undefined) return carried;
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

/** The bytes in a descriptor's `data`, when they are what it says; else the provider is asked. */
function carriedBy(target: Descriptor): Uint8Array | undefined {
  if (target.data === undefined) return undefined;
  const bytes = new Uint8Array(Buffer.from(target.data, "base64"));
  return bytes.length === target.size && digestOf(bytes, algorithmOf(target.digest)) === target.digest
    ? bytes
    : undefined;
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
 * something refers to it; without one the garbage collector may take it at once. Signal and `timeoutMs` end the wait for a stream
 * that gives nothing, too; what came of it stays under the ref.
 *
 * @example
 * ```ts
 * await using lease = await client.leases.create();
 * const descriptor = await writeBlob(client.content, Buffer.from("{}"), { mediaType: "application/json" }, { lease });
 * ```
 * @throws {UnavailableError} when another writer has the ref open
 * @throws {AlreadyExistsError} when it is there already and the ingester is not also a {@link Manager} to make sure of its labels
 */
export async function writeBlob(
  ingester: Ingester,
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  { mediaType, ref, labels }: BlobOptions,
  call: CallOptions = {},
): Promise<Descriptor> {
  if (!(bytes instanceof Uint8Array)) {
    return withDeadline("The write", call, (bounded) =>
      writeStream(ingester, bytes, { mediaType, ref, labels }, bounded),
    );
  }
  const expected = digestOf(bytes);
  const descriptor = { mediaType, digest: expected, size: bytes.length };
  const options: PutOptions = { expected, labels, ...call };
  const name = ref ?? `blob-${expected}`;
  if (ingester.put === undefined) await putThroughWriter(ingester, name, bytes, options);
  else await ingester.put(name, bytes, options);
  return descriptor;
}

/** Does what `put` does with an open ingest; for what is too large for one message, and for ingesters that have no `put`. */
export async function putThroughWriter(
  ingester: Ingester,
  ref: string,
  bytes: Uint8Array,
  { expected, labels = {}, ...call }: PutOptions,
): Promise<Info> {
  const size = bytes.length;
  try {
    await using writer = await ingester.writer(ref, { size, expected, ...call });
    if (writer.offset > 0) await writer.truncate(0);
    await writer.write(bytes);
    return await writer.commit({ size, expected, labels });
  } catch (reason) {
    if (!isAlreadyExists(reason) || !isManager(ingester)) throw reason;
    return keepExisting(ingester, { digest: expected, size }, labels, call);
  }
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
  for await (const chunk of untilAborted(source, call.signal)) {
    hash.update(chunk);
    size += chunk.length;
    await writer.write(chunk);
  }
  const digest = hash.digest();
  await writer.commit({ size, expected: digest, labels });
  return { mediaType, digest, size };
}

function isManager(ingester: Ingester): ingester is Ingester & Manager {
  return "info" in ingester && "update" in ingester;
}
