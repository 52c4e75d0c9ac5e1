import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { it } from "node:test";
import { filter } from "../../src/content/filter.js";
import type { Status, Writer } from "../../src/content/store.js";
import { isContainerdError, isFailedPrecondition, isNotFound, isUnavailable } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { absent, all, bytesOf, type ContentBed, settledAt, unlocked } from "./content-bed.js";

/** What a store must do with ingests: write, resume, lock, commit, abort. */
export function ingestCases(bed: ContentBed): void {
  it("takes several writers at once, with and without knowing what will come", async () => {
    const cases = [
      { ref: "c1", bytes: randomBytes(256) },
      { ref: "c2", bytes: randomBytes(300), size: 300 },
      { ref: "c3", bytes: randomBytes(256), known: true },
      { ref: "c4", bytes: randomBytes(256), size: 256, known: true },
      { ref: "c5", bytes: randomBytes(5 * 1024 * 1024 + 7), size: 5 * 1024 * 1024 + 7, known: true },
      { ref: "c6", bytes: new Uint8Array(), size: 0 },
    ].map((one) => ({ ...one, digest: digestOf(one.bytes) }));
    const writers: Writer[] = [];
    for (const { ref, size, known, digest } of cases) {
      writers.push(
        await bed.open(ref, { ...(size === undefined ? {} : { size }), ...(known ? { expected: digest } : {}) }),
      );
    }
    for (const [at, { bytes }] of cases.entries()) {
      const step = Math.max(32, bytes.length >> 5);
      for (let from = 0; from < bytes.length; from += step) await writers[at]?.write(bytes.subarray(from, from + step));
      assert.equal(writers[at]?.offset, bytes.length);
    }
    for (const [at, { bytes, digest }] of cases.entries()) {
      const info = await writers[at]?.commit({ labels: { at: String(at) } });
      assert.deepEqual([info?.digest, info?.size, info?.labels], [digest, bytes.length, { at: String(at) }]);
      const seen = await bed.store.info(digest);
      assert.deepEqual([seen.size, seen.labels], [bytes.length, { at: String(at) }]);
      assert.ok(seen.createdAt instanceof Date && Math.abs(Date.now() - seen.createdAt.getTime()) < 60_000);
      assert.deepEqual(await bytesOf(bed.store.read({ digest })), Buffer.from(bytes));
    }
    assert.deepEqual(await all(bed.store.statuses()), []);
  });

  it("says how far an ingest is", async () => {
    const bytes = randomBytes(256);
    const before = Date.now();
    await using writer = await bed.open("c1", { size: 256, expected: digestOf(bytes) });
    assert.deepEqual([(await bed.store.status("c1")).offset, writer.offset, writer.ref], [0, 0, "c1"]);
    let last: Status | undefined;
    for (const [from, to] of [
      [0, 64],
      [64, 192],
      [192, 256],
    ] as const) {
      await writer.write(bytes.subarray(from, to));
      last = await settledAt(bed.store, "c1", to);
      assert.ok(last.startedAt.getTime() >= before - 1000 && last.updatedAt >= last.startedAt);
    }
    assert.deepEqual(
      (await all(bed.store.statuses([filter(["ref"], "==", "c1")]))).map(({ offset }) => offset),
      [256],
    );
    assert.deepEqual(await all(bed.store.statuses([filter(["ref"], "==", "c2")])), []);
    await writer.commit();
    await assert.rejects(bed.store.status("c1"), isNotFound);
  });

  it("goes on where a writer left off", async () => {
    const bytes = randomBytes(256);
    const about = { size: 256, expected: digestOf(bytes) };
    {
      await using writer = await bed.open("c1", about);
      await writer.write(bytes.subarray(0, 128));
    }
    const left = await bed.store.status("c1");
    assert.equal(left.offset, 128);
    await using writer = await bed.open("c1", about);
    assert.equal(writer.offset, 128);
    assert.deepEqual(await bed.store.status("c1"), left);
    await writer.write(bytes.subarray(128));
    assert.equal((await writer.commit()).digest, about.expected);
  });

  for (const size of [500, 5_000, 50_000]) {
    for (const part of [0, 0.1, 0.5, 0.9, 1]) {
      it(`resumes and starts over ${size} bytes of which ${part * 100} % are there`, async () => {
        const limit = size * part;
        for (const [ref, wrong] of [
          ["resumed", false],
          ["over", true],
        ] as const) {
          // Not the same bytes twice: a daemon shares what was deleted but not yet collected.
          const bytes = randomBytes(size);
          const about = { size, expected: digestOf(bytes) };
          {
            await using writer = await bed.open(ref, about);
            await writer.write(wrong ? Buffer.alloc(limit) : bytes.subarray(0, limit));
          }
          await using writer = await bed.open(ref, about);
          assert.equal(writer.offset, limit);
          if (wrong) await writer.truncate(0);
          await writer.write(bytes.subarray(writer.offset));
          assert.equal((await writer.commit({ labels: { ref } })).size, size);
          assert.deepEqual(await bytesOf(bed.store.read({ digest: about.expected, size })), bytes);
        }
      });
    }
  }

  it("locks a ref while a writer has it, and keeps the bytes of a commit that failed", async () => {
    const existing = randomBytes(64);
    const there = await bed.written(existing);
    const bytes = randomBytes(64);
    const first = await bed.open("c1");
    await assert.rejects(bed.open("c1"), isUnavailable);
    await assert.rejects(
      bed.store.put?.("c1", bytes, { ...bed.call, expected: digestOf(bytes) }) ?? bed.open("c1"),
      isUnavailable,
    );
    await first.write(existing);
    await first.commit({ expected: there });

    const second = await bed.open("c1");
    assert.equal(second.offset, 0);
    await second.write(bytes);
    await assert.rejects(second.commit({ expected: absent }), isFailedPrecondition);
    await assert.rejects(second.write(bytes), isFailedPrecondition);
    await assert.rejects(second.commit(), isFailedPrecondition);

    for (const size of [0, 63, 65]) {
      const again = await bed.open("c1");
      assert.equal(again.offset, 64);
      await assert.rejects(again.commit({ size }), isFailedPrecondition, `${size}`);
    }
    const last = await bed.open("c1");
    assert.equal((await last.commit({ size: 64, expected: digestOf(bytes) })).digest, digestOf(bytes));

    const truncated = await bed.open("c1");
    await truncated.write(bytes);
    await truncated.truncate(0);
    assert.equal(truncated.offset, 0);
    await truncated[Symbol.asyncDispose]();
    await truncated[Symbol.asyncDispose]();
    assert.equal((await bed.open("c1")).offset, 0);
  });

  it("drops an ingest when told to", async () => {
    {
      await using writer = await bed.open("c1");
      await writer.write(Buffer.from("abc"));
    }
    await bed.store.abort("c1");
    await assert.rejects(bed.store.status("c1"), isNotFound);
    await assert.rejects(bed.store.abort("c1"), isNotFound);
    await using again = await bed.open("c1");
    assert.equal(again.offset, 0);
    await again.write(Buffer.from("def"));
    await bed.store.abort("c1");
    await assert.rejects(async () => {
      await again.write(Buffer.from("ghi"));
      await again.commit();
    }, isContainerdError);
  });

  it("ends a write when the signal says so, and leaves an ingest to resume", async () => {
    const bytes = randomBytes(100);
    const abort = new AbortController();
    const reason = new Error("enough");
    const writer = await bed.store.writer("c1", { ...bed.call, signal: abort.signal });
    await writer.write(bytes.subarray(0, 50));
    await settledAt(bed.store, "c1", 50);
    abort.abort(reason);
    await assert.rejects(writer.write(bytes.subarray(50)), (error) => error === reason);
    await assert.rejects(writer.commit(), (error) => error === reason);
    await writer[Symbol.asyncDispose]();
    await assert.rejects(bed.store.writer("c2", { ...bed.call, signal: abort.signal }), (error) => error === reason);
    await using again = await unlocked(() => bed.open("c1"));
    assert.equal(again.offset, 50);
    await again.write(bytes.subarray(50));
    assert.equal((await again.commit()).digest, digestOf(bytes));
  });

  it("takes writes in the order they were made, awaited or not", async () => {
    const bytes = randomBytes(6 * 1024 * 1024);
    await using writer = await bed.open("c1");
    const cuts = [0, 1, 100_000, 3_500_000, 3_500_000, bytes.length];
    const writes = cuts.slice(1).map((to, at) => writer.write(bytes.subarray(cuts[at], to)));
    const info = writer.commit();
    await Promise.all(writes);
    assert.equal((await info).digest, digestOf(bytes));
  });

  it("has taken the bytes when a write resolves", async () => {
    const buffer = Buffer.alloc(64 * 1024);
    const wanted: Buffer[] = [];
    await using writer = await bed.open("c1");
    for (let round = 0; round < 20; round++) {
      buffer.fill(round);
      wanted.push(Buffer.from(buffer));
      await writer.write(buffer);
    }
    assert.equal((await writer.commit()).digest, digestOf(Buffer.concat(wanted)));
  });
}
