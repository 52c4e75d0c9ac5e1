import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "../call-options.js";
import { DataLossError, isAlreadyExists, isFailedPrecondition, isNotFound, isUnavailable } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import type { Provider, Store, Writer } from "./store.js";

/** How one blob is copied. */
export interface CopyBlobOptions {
  /** Labels of the blob, added to those it has when it is there already. */
  readonly labels: Labels;
  /** The calls to the store that is read; they know nothing of the other one's lease. */
  readonly reading: CallOptions;
  /** The calls to the store that is written. */
  readonly writing: CallOptions;
  /** Told where the blob's ingest is. */
  readonly onOffset: (offset: number) => void;
}

const GC_LABEL = "containerd.io/gc.ref.content";
/** How long another writer of the same blob may get no further before it is taken for stuck. */
const PATIENCE_MS = 30_000;
const LONGEST_PAUSE_MS = 1_000;

/** Copies one blob, from where an earlier copy left off. Returns how many bytes were moved, undefined when it was there. */
export async function copyBlob(
  from: Provider,
  to: Store,
  target: Descriptor,
  options: CopyBlobOptions,
): Promise<number | undefined> {
  let isFresh = false;
  for (;;) {
    const writer = await openIngest(to, target, options.writing);
    if (writer === undefined) {
      await keep(to, target, options);
      return undefined;
    }
    try {
      if (isFresh) await writer.truncate(0);
      isFresh = writer.offset === 0;
      return await fill(writer, from, target, options);
    } catch (reason) {
      if (!isFailedPrecondition(reason)) throw reason;
      if (isFresh) {
        throw new DataLossError(`Cannot copy ${target.digest}: other bytes came than these`, { cause: reason });
      }
      // What an earlier copy left may be other bytes: a machine lost its power, or the source was damaged.
      isFresh = true;
    } finally {
      await writer[Symbol.asyncDispose]();
    }
  }
}

async function fill(
  writer: Writer,
  from: Provider,
  target: Descriptor,
  { labels, reading, onOffset }: CopyBlobOptions,
): Promise<number> {
  const start = writer.offset;
  onOffset(start);
  if (start < target.size) {
    // Only a blob that is read whole is verified by the provider; a part of one is when it is committed.
    const part = start === 0 ? reading : { ...reading, offset: start };
    for await (const chunk of from.read(target, part)) {
      if (writer.offset + chunk.length > target.size) {
        throw new DataLossError(`Cannot copy ${target.digest}: expected ${target.size} bytes, got more`);
      }
      await writer.write(chunk);
      onOffset(writer.offset);
    }
  }
  await writer.commit({ size: target.size, expected: target.digest, labels });
  return target.size - start;
}

/** Opens the blob's ingest, undefined when the blob is there. Another copy of it may be under way: it is waited for. */
async function openIngest(to: Store, { digest, size }: Descriptor, call: CallOptions): Promise<Writer | undefined> {
  // The same name each time, so that the next copy finds what an interrupted one left.
  const ref = `copy-${digest}`;
  let offset: number | undefined;
  let movedAt = performance.now();
  for (let pauseMs = 8; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await to.writer(ref, { ...call, size, expected: digest });
    } catch (reason) {
      if (isAlreadyExists(reason)) return undefined;
      if (!isUnavailable(reason)) throw reason;
      // A store that cannot be reached fails here, too.
      const now = await offsetOf(to, ref, call);
      if (now !== offset) movedAt = performance.now();
      if (performance.now() - movedAt > PATIENCE_MS) throw reason;
      offset = now;
    }
    await sleep(
      pauseMs * (0.5 + Math.random()),
      undefined,
      call.signal === undefined ? {} : { signal: call.signal },
    ).catch(() => call.signal?.throwIfAborted());
  }
}

async function offsetOf(to: Store, ref: string, call: CallOptions): Promise<number | undefined> {
  try {
    return (await to.status(ref, call)).offset;
  } catch (reason) {
    if (isNotFound(reason)) return undefined;
    throw reason;
  }
}

/** Adds the labels to a blob that is there. Labels that hold something else already keep their names. */
export async function keep(
  to: Store,
  { digest, size }: Descriptor,
  { labels, writing }: Pick<CopyBlobOptions, "labels" | "writing">,
): Promise<void> {
  const info = await to.info(digest, writing);
  if (info.size !== size) {
    throw new DataLossError(`Cannot copy ${digest}: the store has ${info.size} bytes of it, expected ${size}`);
  }
  const names = Object.keys(info.labels).filter((name) => name.startsWith(GC_LABEL));
  const held = new Set(names.map((name) => info.labels[name]));
  const missing = new Map<string, string>();
  for (const [name, value] of Object.entries(labels)) {
    if (held.has(value)) continue;
    let free = name;
    for (let at = 0; info.labels[free] !== undefined || missing.has(free); at++) free = `${GC_LABEL}.${at}`;
    missing.set(free, value);
  }
  if (missing.size > 0) await to.update(digest, Object.fromEntries(missing), writing);
}
