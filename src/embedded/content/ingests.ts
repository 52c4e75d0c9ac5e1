import { randomUUID } from "node:crypto";
import { AlreadyExistsError, InvalidArgumentError, UnavailableError } from "../../errors.js";
import { type Digest, parseDigest } from "../../oci/digest.js";
import type { IngestRecord } from "../metadata/record-kinds.js";
import type { ContentRoom } from "./content-room.js";
import { type Committed, IngestSession, type NewBlob } from "./ingest-session.js";

/** What is known of an ingest when it is opened. */
export interface OpenOptions {
  readonly size: number | undefined;
  readonly expected: Digest | undefined;
  /** The lease that holds the ingest, and then the blob. */
  readonly lease: string | undefined;
}

const UNLEASED_MS = 24 * 60 * 60 * 1000;

/**
 * Opens an ingest, which nobody else can open until the session is closed.
 *
 * @throws {AlreadyExistsError} when the namespace has the blob; the lease holds it then
 * @throws {UnavailableError} when another has the ref open
 */
export async function openIngest(room: ContentRoom, ref: string, options: OpenOptions): Promise<IngestSession> {
  const { size, expected, lease } = options;
  if (ref === "") throw new InvalidArgumentError("ref must not be empty: invalid argument");
  if (expected !== undefined && room.blobs.has(parseDigest(expected))) {
    room.hold(lease, { type: "content", id: expected });
    throw new AlreadyExistsError(`content ${expected}: already exists`);
  }
  lock(room, ref);
  try {
    room.hold(lease, { type: "ingests", id: ref });
    const record = recordFor(room, ref, { size, expected, lease });
    room.ingests.set(ref, record);
    return await IngestSession.open({
      ref,
      record,
      bytes: room.bytes,
      current: () => room.ingests.get(ref),
      own: () => room.ingests.set(ref, { ...record, shared: false }),
      commit: (blob, ownsNone) => commit(room, { ref, lease, ...(ownsNone ? {} : { id: record.id }) }, blob),
      unlock: () => room.locks.delete(ref),
    });
  } catch (reason) {
    room.locks.delete(ref);
    throw reason;
  }
}

function lock({ namespace, locks }: ContentRoom, ref: string): void {
  const since = locks.get(ref);
  if (since !== undefined) {
    const forMs = Date.now() - since.getTime();
    throw new UnavailableError(
      `ref ${namespace}/${ref} locked for ${forMs}ms (since ${since.toISOString()}): unavailable`,
    );
  }
  locks.set(ref, new Date());
}

function recordFor(room: ContentRoom, ref: string, { size, expected, lease }: OpenOptions): IngestRecord {
  const known = room.ingests.get(ref);
  const there = expected === undefined ? undefined : room.bytes.size(expected);
  // Bytes of another size are not what is meant; who commits will be told.
  const shared = there !== undefined && (size === undefined || size === there);
  return {
    id: known?.id ?? randomUUID(),
    total: known?.total ?? size,
    expected: shared ? expected : (known?.expected ?? expected),
    startedAt: known?.startedAt ?? new Date(),
    expiresAt: lease === undefined ? new Date(Date.now() + UNLEASED_MS) : known?.expiresAt,
    shared,
  };
}

function commit(
  room: ContentRoom,
  { ref, lease, id }: { readonly ref: string; readonly lease: string | undefined; readonly id?: string },
  { digest, size, labels }: NewBlob,
): Committed {
  const existed = room.blobs.has(digest);
  // The lease may have gone meanwhile: then nothing is made.
  room.hold(lease, { type: "content", id: digest });
  if (id !== undefined) room.bytes.promote(id, digest);
  if (!existed) {
    const now = new Date();
    room.blobs.set(digest, { size, labels, createdAt: now, updatedAt: now });
  }
  room.release(lease, { type: "ingests", id: ref });
  room.ingests.delete(ref);
  if (!existed) room.created(digest, size);
  return { digest, size, existed };
}
