import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { it } from "node:test";
import type { CallOptions } from "../../src/call-options.js";
import { isNotFound } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { all, bytesOf, type ContentBed, unlocked } from "./content-bed.js";

type Lister = (filters?: readonly string[], call?: CallOptions) => AsyncIterable<unknown>;

/** What a store must do when its caller has had enough: end at once, with the caller's reason, and leave what is there as it is. */
export function abortCases(bed: ContentBed): void {
  const reason = new Error("enough");
  const isReason = (error: unknown): boolean => error === reason;
  const aborted = () => ({ ...bed.call, signal: AbortSignal.abort(reason) });

  it("does nothing for a caller whose signal says stop", async () => {
    const { store } = bed;
    const digest = await bed.written(Buffer.from("here"), { a: "b" });
    const other = Buffer.from("other");
    const before = await store.info(digest);
    await (await bed.open("half"))[Symbol.asyncDispose]();
    for (const act of [
      () => store.info(digest, aborted()),
      () => store.update(digest, { a: "c" }, aborted()),
      () => store.delete(digest, aborted()),
      () => store.status("half", aborted()),
      () => store.abort("half", aborted()),
      () => all(store.list([], aborted())),
      () => all(store.statuses([], aborted())),
      () => bytesOf(store.read({ digest }, aborted())),
      () => store.writer("new", aborted()),
      () => store.put?.("new", other, { ...aborted(), expected: digestOf(other) }) ?? Promise.reject(reason),
    ]) {
      await assert.rejects(act, isReason, String(act));
    }
    assert.deepEqual(await store.info(digest), before);
    assert.equal((await store.status("half")).offset, 0);
    await assert.rejects(store.status("new"), isNotFound);
    await assert.rejects(store.info(digestOf(other)), isNotFound);
  });

  it("ends lists when they are left or the signal says so", async () => {
    for (let at = 0; at < 5; at++) {
      await bed.written(Buffer.from(`blob ${at}`));
      await (await bed.open(`ingest-${at}`))[Symbol.asyncDispose]();
    }
    const lists: readonly Lister[] = [bed.store.list.bind(bed.store), bed.store.statuses.bind(bed.store)];
    for (const list of lists) {
      let got = 0;
      for await (const _ of list()) {
        got++;
        break;
      }
      assert.equal(got, 1);
      const abort = new AbortController();
      await assert.rejects(async () => {
        for await (const _ of list([], { signal: abort.signal })) abort.abort(reason);
        // A daemon may have sent all of them in one message.
        abort.signal.throwIfAborted();
      }, isReason);
      assert.equal((await all(list())).length, 5);
    }
  });

  it("ends a writer whose caller leaves in the middle, and keeps what it took", async () => {
    const bytes = randomBytes(100_000);
    for (let round = 0; round < 5; round++) {
      const abort = new AbortController();
      const writer = await unlocked(() => bed.store.writer("left", { ...bed.call, signal: abort.signal }));
      const { offset } = writer;
      const writes = [0, 1, 2].map((at) =>
        writer.write(bytes.subarray(offset + at * 5_000, offset + (at + 1) * 5_000)),
      );
      if (round % 2 === 0) await writes[0];
      abort.abort(reason);
      const ended = await Promise.allSettled([...writes, writer.commit()]);
      assert.ok(ended.every((one) => one.status === "fulfilled" || one.reason === reason));
      assert.equal(ended.at(-1)?.status, "rejected");
    }
    await using last = await unlocked(() => bed.open("left"));
    assert.ok(last.offset <= 75_000);
    await last.write(bytes.subarray(last.offset));
    assert.equal((await last.commit()).digest, digestOf(bytes), "what was kept is the beginning of what was written");
  });
}
