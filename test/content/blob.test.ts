import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { MemoryStore } from "../../src/content/memory.js";
import type { Ingester, Provider } from "../../src/content/store.js";
import {
  isAlreadyExists,
  isContainerdError,
  isDataLoss,
  isDeadlineExceeded,
  isInvalidArgument,
  isNotFound,
  isUnavailable,
} from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { layoutSubject } from "./layout-bed.js";

const mediaType = "application/octet-stream";

function providerOf(chunks: readonly Uint8Array[]): Provider & { reads: number; left: boolean } {
  return {
    reads: 0,
    left: false,
    async *read() {
      this.reads++;
      try {
        yield* chunks;
      } finally {
        this.left = true;
      }
    },
  };
}

/** Gives four bytes, and then nothing for ever. */
async function* stalling(onStalled: () => void): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from("half");
  onStalled();
  await new Promise(() => {});
}

describe("readBlob", () => {
  const bytes = Buffer.from("some bytes");
  const target = { mediaType, digest: digestOf(bytes), size: bytes.length };

  it("puts chunks together", async () => {
    const provider = providerOf([bytes.subarray(0, 3), new Uint8Array(), bytes.subarray(3)]);
    assert.deepEqual(Buffer.from(await readBlob(provider, target)), bytes);
    const empty = { mediaType, digest: digestOf(new Uint8Array()), size: 0 };
    assert.equal((await readBlob(providerOf([]), empty)).length, 0);
  });

  it("refuses before it reads, and before it sets memory aside", async () => {
    const provider = providerOf([bytes]);
    const exhausted = (error: unknown) => isContainerdError(error, "resource_exhausted");
    await assert.rejects(readBlob(provider, { ...target, size: 2 ** 50 }), exhausted);
    await assert.rejects(readBlob(provider, { ...target, size: 16 * 1024 * 1024 + 1 }), exhausted);
    await assert.rejects(readBlob(provider, target, { maxBytes: 9 }), exhausted);
    for (const size of [-1, 0.5, Number.NaN]) {
      await assert.rejects(readBlob(provider, { ...target, size }), isInvalidArgument);
    }
    assert.equal(provider.reads, 0);
    assert.equal((await readBlob(provider, target, { maxBytes: 10 })).length, 10);
  });

  it("believes no provider", async () => {
    await assert.rejects(readBlob(providerOf([Buffer.from("some Bytes")]), target), isDataLoss);
    await assert.rejects(readBlob(providerOf([bytes.subarray(1)]), target), isDataLoss);
    const endless = providerOf(Array.from({ length: 1000 }, () => bytes));
    await assert.rejects(readBlob(endless, target), isDataLoss);
    assert.ok(endless.left, "the rest must not be read");
  });
});

describe("writeBlob", () => {
  it("writes through an ingester that has no put", async () => {
    const store = new MemoryStore();
    const ingester: Ingester = { writer: (ref, options) => store.writer(ref, options) };
    const bytes = Buffer.from("plain");
    {
      await using stale = await store.writer("r");
      await stale.write(Buffer.from("stale"));
    }
    const descriptor = await writeBlob(ingester, bytes, { mediaType, ref: "r", labels: { a: "b" } });
    assert.deepEqual(descriptor, { mediaType, digest: digestOf(bytes), size: 5 });
    assert.deepEqual((await store.info(descriptor.digest)).labels, { a: "b" });
    await assert.rejects(writeBlob(ingester, bytes, { mediaType, ref: "r" }), isAlreadyExists);
  });

  it("drops what another stream left under the ref", async () => {
    const store = new MemoryStore();
    {
      await using stale = await store.writer("r");
      await stale.write(Buffer.from("stale"));
    }
    async function* stream() {
      yield Buffer.from("fr");
      yield Buffer.from("esh");
    }
    const { digest } = await writeBlob(store, stream(), { mediaType, ref: "r" });
    assert.equal(digest, digestOf(Buffer.from("fresh")));
  });

  it("fails with the stream, and leaves no lock", async () => {
    const store = new MemoryStore();
    const reason = new Error("source broke");
    async function* broken() {
      yield Buffer.from("half");
      throw reason;
    }
    await assert.rejects(writeBlob(store, broken(), { mediaType, ref: "r" }), (error) => error === reason);
    assert.equal((await store.status("r")).offset, 4);
    await using writer = await store.writer("r");
    await assert.rejects(writeBlob(store, Buffer.from("x"), { mediaType, ref: "r" }), isUnavailable);
    await assert.rejects(store.info(digestOf(Buffer.from("half"))), isNotFound);
    assert.equal(writer.offset, 4);
  });

  it("does not wait for a stream that gives nothing any more", { timeout: 20_000 }, async (context) => {
    const layout = await layoutSubject();
    context.after(layout.end);
    for (const store of [new MemoryStore(), layout.store]) {
      const abort = new AbortController();
      const { signal } = abort;
      const reason = new Error("enough");
      const stalled = stalling(() => abort.abort(reason));
      const stopped = writeBlob(store, stalled, { mediaType, ref: "r" }, { signal });
      await assert.rejects(stopped, (error) => error === reason);
      const hanging = stalling(() => {});
      const late = writeBlob(store, hanging, { mediaType, ref: "late" }, { timeoutMs: 50 });
      await assert.rejects(late, isDeadlineExceeded);
      assert.equal((await store.status("r")).offset, 4);
      await using writer = await store.writer("r");
      assert.equal(writer.offset, 4, "the ref is free again");
    }
  });
});
