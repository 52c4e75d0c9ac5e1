import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import type { CallOptions } from "../../src/call-options.js";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { filter } from "../../src/content/filter.js";
import type { Info, Status, Store, Writer } from "../../src/content/store.js";
import {
  isAlreadyExists,
  isContainerdError,
  isDataLoss,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
  isUnavailable,
} from "../../src/errors.js";
import { type Digest, digestOf } from "../../src/oci/digest.js";

/** What the suite runs over. */
export interface ContentSubject {
  /** A store with nothing in it. */
  readonly store: Store;
  /** Passed to all calls that make something, so that it is kept. */
  readonly call: CallOptions;
  /** Another namespace over the same bytes; for `namespacesSuite`. */
  readonly other?: { readonly store: Store; readonly call: CallOptions };
  /** Puts everything away. */
  end(): Promise<void>;
}

/** What every content store must do, whatever is behind it. */
export function contentSuite(name: string, make: () => Promise<ContentSubject>): void {
  describe(name, () => {
    let subject: ContentSubject;
    let store: Store;
    let call: CallOptions;
    const absent = digestOf(Buffer.from("nowhere"));

    beforeEach(async () => {
      subject = await make();
      ({ store, call } = subject);
    });
    afterEach(() => subject.end());

    const open = (ref: string, options: { size?: number; expected?: Digest } = {}) =>
      store.writer(ref, { ...call, ...options });
    const written = async (bytes: Uint8Array, labels?: Record<string, string>): Promise<Digest> => {
      const mediaType = "application/octet-stream";
      return (await writeBlob(store, bytes, { mediaType, ...(labels === undefined ? {} : { labels }) }, call)).digest;
    };

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
          await open(ref, { ...(size === undefined ? {} : { size }), ...(known ? { expected: digest } : {}) }),
        );
      }
      for (const [at, { bytes }] of cases.entries()) {
        const step = Math.max(32, bytes.length >> 5);
        for (let from = 0; from < bytes.length; from += step)
          await writers[at]?.write(bytes.subarray(from, from + step));
        assert.equal(writers[at]?.offset, bytes.length);
      }
      for (const [at, { bytes, digest }] of cases.entries()) {
        const info = await writers[at]?.commit({ labels: { at: String(at) } });
        assert.deepEqual([info?.digest, info?.size, info?.labels], [digest, bytes.length, { at: String(at) }]);
        const seen = await store.info(digest);
        assert.deepEqual([seen.size, seen.labels], [bytes.length, { at: String(at) }]);
        assert.ok(seen.createdAt instanceof Date && Math.abs(Date.now() - seen.createdAt.getTime()) < 60_000);
        assert.deepEqual(await bytesOf(store.read({ digest })), Buffer.from(bytes));
      }
      assert.deepEqual(await all(store.statuses()), []);
    });

    it("says how far an ingest is", async () => {
      const bytes = randomBytes(256);
      const before = Date.now();
      await using writer = await open("c1", { size: 256, expected: digestOf(bytes) });
      assert.deepEqual([(await store.status("c1")).offset, writer.offset, writer.ref], [0, 0, "c1"]);
      let last: Status | undefined;
      for (const [from, to] of [
        [0, 64],
        [64, 192],
        [192, 256],
      ] as const) {
        await writer.write(bytes.subarray(from, to));
        last = await settledAt(store, "c1", to);
        assert.ok(last.startedAt.getTime() >= before - 1000 && last.updatedAt >= last.startedAt);
      }
      assert.deepEqual(
        (await all(store.statuses([filter(["ref"], "==", "c1")]))).map(({ offset }) => offset),
        [256],
      );
      assert.deepEqual(await all(store.statuses([filter(["ref"], "==", "c2")])), []);
      await writer.commit();
      await assert.rejects(store.status("c1"), isNotFound);
    });

    it("takes what is there already for success, and adds the labels", async () => {
      const bytes = randomBytes(100);
      const digest = await written(bytes, { first: "1", second: "2" });
      const expected: Info["labels"][] = [
        { first: "1", second: "2", third: "3" },
        { first: "one", second: "2", third: "3" },
        { first: "one", second: "2", third: "3", fourth: "4" },
      ];
      const known = await open("named");
      await known.write(bytes);
      assert.deepEqual((await known.commit({ expected: digest, labels: { third: "3" } })).labels, expected[0]);
      const unknown = await open("unnamed");
      await unknown.write(bytes);
      assert.deepEqual((await unknown.commit({ labels: { first: "one" } })).labels, expected[1]);
      assert.equal(await written(bytes, { fourth: "4" }), digest);
      assert.deepEqual((await store.info(digest)).labels, expected[2]);
      assert.equal((await all(store.list())).length, 1);
      await assert.rejects(open("again", { expected: digest }), isAlreadyExists);
      await (await open("unnamed"))[Symbol.asyncDispose]();
      assert.equal((await open("named")).offset, 0);
    });

    it("goes on where a writer left off", async () => {
      const bytes = randomBytes(256);
      const about = { size: 256, expected: digestOf(bytes) };
      {
        await using writer = await open("c1", about);
        await writer.write(bytes.subarray(0, 128));
      }
      const left = await store.status("c1");
      assert.equal(left.offset, 128);
      await using writer = await open("c1", about);
      assert.equal(writer.offset, 128);
      assert.deepEqual(await store.status("c1"), left);
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
              await using writer = await open(ref, about);
              await writer.write(wrong ? Buffer.alloc(limit) : bytes.subarray(0, limit));
            }
            await using writer = await open(ref, about);
            assert.equal(writer.offset, limit);
            if (wrong) await writer.truncate(0);
            await writer.write(bytes.subarray(writer.offset));
            assert.equal((await writer.commit({ labels: { ref } })).size, size);
            assert.deepEqual(await bytesOf(store.read({ digest: about.expected, size })), bytes);
          }
        });
      }
    }

    it("reads blobs and parts of them", async () => {
      const bytes = randomBytes(3 * 1024 * 1024 + 5);
      const digest = await written(bytes);
      const { length } = bytes;
      for (const [range, from, to] of [
        [{}, 0, length],
        [{ offset: 0 }, 0, length],
        [{ offset: 7, length: 9 }, 7, 16],
        [{ offset: 1024 * 1024 - 1, length: 2 * 1024 * 1024 + 2 }, 1024 * 1024 - 1, 3 * 1024 * 1024 + 1],
        [{ offset: length - 3 }, length - 3, length],
        [{ offset: length - 3, length: 100 }, length - 3, length],
        [{ length: length + 1 }, 0, length],
        [{ offset: length }, length, length],
        [{ offset: 5, length: 0 }, 5, 5],
      ] as const) {
        const got = await bytesOf(store.read({ digest, size: length }, range));
        assert.ok(got.equals(bytes.subarray(from, to)), JSON.stringify(range));
      }
      await assert.rejects(bytesOf(store.read({ digest }, { offset: length + 1 })), code("out_of_range"));
      for (const range of [{ offset: -1 }, { length: -1 }, { offset: 0.5 }, { length: Number.NaN }]) {
        await assert.rejects(bytesOf(store.read({ digest }, range)), isInvalidArgument);
      }
      await assert.rejects(bytesOf(store.read({ digest: absent })), isNotFound);
      await assert.rejects(bytesOf(store.read({ digest: "sha256:no" })), isInvalidArgument);
      await assert.rejects(bytesOf(store.read({ digest, size: length - 1 })), isDataLoss);
      await assert.rejects(bytesOf(store.read({ digest, size: length + 1 })), isDataLoss);
      await assert.rejects(readBlob(store, { mediaType: "x", digest, size: 4 }), isDataLoss);
    });

    it("keeps labels, and sets and deletes them one by one", async () => {
      const digest = await written(Buffer.from("labels"), { k1: "v1", k2: "v2", "dotted.name/k": "x", empty: "" });
      const first = await store.info(digest);
      assert.deepEqual(first.labels, { k1: "v1", k2: "v2", "dotted.name/k": "x" });
      const second = await store.update(digest, { k1: "new", k2: null, k3: "v3", k4: null, "dotted.name/k": "y" });
      assert.deepEqual(second.labels, { k1: "new", k3: "v3", "dotted.name/k": "y" });
      assert.deepEqual(await store.info(digest), second);
      assert.deepEqual([second.createdAt, second.size], [first.createdAt, 6]);
      assert.ok((second.updatedAt ?? 0) >= (first.updatedAt ?? 0));
      assert.deepEqual(await store.update(digest, {}), second);
      await assert.rejects(store.update(digest, { long: "x".repeat(4096) }), isInvalidArgument);
      await assert.rejects(store.update(absent, { k: "v" }), isNotFound);
    });

    it("lists what a filter asks for, however many there are", async () => {
      const odd = 'a "quoted",\\ odd\tv\u00e4lue\n\u{1f600}\u2028';
      const digests: Digest[] = [];
      for (let at = 0; at < 120; at++) {
        digests.push(
          await written(Buffer.from(`blob ${at}`), { at: String(at), "my.app/odd key": at === 7 ? odd : "no" }),
        );
      }
      const found = async (...filters: string[]) => (await all(store.list(filters))).map((one) => one.digest).sort();
      assert.deepEqual(await found(), [...digests].sort());
      assert.deepEqual(await found(filter(["digest"], "==", digests[3] ?? "")), [digests[3]]);
      assert.deepEqual(await found(filter(["labels", "my.app/odd key"], "==", odd)), [digests[7]]);
      assert.deepEqual(
        await found(filter(["labels", "at"], "~=", "^1[01]$"), filter(["labels", "at"], "==", "2")),
        digests.filter((_, at) => at === 2 || at === 10 || at === 11).sort(),
      );
      const both = [filter(["labels", "at"], "~=", "^1"), filter(["labels", "at"], "!=", "1")].join(",");
      assert.equal((await found(both)).length, 30);
      assert.deepEqual(await found(filter(["labels", "none"])), []);
      assert.equal((await found(filter(["labels", "at"]))).length, 120);
      await assert.rejects(found("labels=x"), isInvalidArgument);
      for await (const info of store.list()) {
        assert.ok(info.size > 0);
        break;
      }
    });

    it("locks a ref while a writer has it, and keeps the bytes of a commit that failed", async () => {
      const existing = randomBytes(64);
      const there = await written(existing);
      const bytes = randomBytes(64);
      const first = await open("c1");
      await assert.rejects(open("c1"), isUnavailable);
      await assert.rejects(
        store.put?.("c1", bytes, { ...call, expected: digestOf(bytes) }) ?? open("c1"),
        isUnavailable,
      );
      await first.write(existing);
      await first.commit({ expected: there });

      const second = await open("c1");
      assert.equal(second.offset, 0);
      await second.write(bytes);
      await assert.rejects(second.commit({ expected: absent }), isFailedPrecondition);
      await assert.rejects(second.write(bytes), isFailedPrecondition);
      await assert.rejects(second.commit(), isFailedPrecondition);

      for (const size of [0, 63, 65]) {
        const again = await open("c1");
        assert.equal(again.offset, 64);
        await assert.rejects(again.commit({ size }), isFailedPrecondition, `${size}`);
      }
      const last = await open("c1");
      assert.equal((await last.commit({ size: 64, expected: digestOf(bytes) })).digest, digestOf(bytes));

      const truncated = await open("c1");
      await truncated.write(bytes);
      await truncated.truncate(0);
      assert.equal(truncated.offset, 0);
      await truncated[Symbol.asyncDispose]();
      await truncated[Symbol.asyncDispose]();
      assert.equal((await open("c1")).offset, 0);
    });

    it("refuses bytes that are not what they were said to be", async () => {
      const put = store.put?.bind(store);
      if (put !== undefined) {
        await assert.rejects(put("p", Buffer.from("abc"), { ...call, expected: absent }), isFailedPrecondition);
      }
      const writer = await open("w", { size: 2, expected: absent });
      await writer.write(Buffer.from("abc"));
      await assert.rejects(writer.commit(), isFailedPrecondition);
      await assert.rejects(store.info(absent), isNotFound);
      await assert.rejects(open(""), isInvalidArgument);
    });

    it("drops an ingest when told to", async () => {
      {
        await using writer = await open("c1");
        await writer.write(Buffer.from("abc"));
      }
      await store.abort("c1");
      await assert.rejects(store.status("c1"), isNotFound);
      await assert.rejects(store.abort("c1"), isNotFound);
      await using again = await open("c1");
      assert.equal(again.offset, 0);
      await again.write(Buffer.from("def"));
      await store.abort("c1");
      await assert.rejects(async () => {
        await again.write(Buffer.from("ghi"));
        await again.commit();
      }, isContainerdError);
    });

    it("deletes", async () => {
      const digest = await written(Buffer.from("short-lived"));
      await store.delete(digest);
      await assert.rejects(store.info(digest), isNotFound);
      await assert.rejects(store.delete(digest), isNotFound);
      await assert.rejects(bytesOf(store.read({ digest })), isNotFound);
    });

    it("ends a read when the loop is left or the signal says so", async () => {
      const bytes = randomBytes(8 * 1024 * 1024);
      const digest = await written(bytes);
      for await (const chunk of store.read({ digest })) {
        assert.ok(chunk.length < bytes.length);
        break;
      }
      const abort = new AbortController();
      const reason = new Error("enough");
      let got = 0;
      await assert.rejects(
        async () => {
          for await (const chunk of store.read({ digest }, { signal: abort.signal })) {
            got += chunk.length;
            abort.abort(reason);
          }
        },
        (error) => error === reason,
      );
      assert.ok(got < bytes.length);
      await assert.rejects(bytesOf(store.read({ digest }, { signal: abort.signal })), (error) => error === reason);
      assert.equal((await readBlob(store, { mediaType: "x", digest, size: bytes.length })).length, bytes.length);
    });

    it("ends a write when the signal says so, and leaves an ingest to resume", async () => {
      const bytes = randomBytes(100);
      const abort = new AbortController();
      const reason = new Error("enough");
      const writer = await store.writer("c1", { ...call, signal: abort.signal });
      await writer.write(bytes.subarray(0, 50));
      await settledAt(store, "c1", 50);
      abort.abort(reason);
      await assert.rejects(writer.write(bytes.subarray(50)), (error) => error === reason);
      await assert.rejects(writer.commit(), (error) => error === reason);
      await writer[Symbol.asyncDispose]();
      await assert.rejects(store.writer("c2", { ...call, signal: abort.signal }), (error) => error === reason);
      await using again = await unlocked(() => open("c1"));
      assert.equal(again.offset, 50);
      await again.write(bytes.subarray(50));
      assert.equal((await again.commit()).digest, digestOf(bytes));
    });

    it("takes writes in the order they were made, awaited or not", async () => {
      const bytes = randomBytes(6 * 1024 * 1024);
      await using writer = await open("c1");
      const cuts = [0, 1, 100_000, 3_500_000, 3_500_000, bytes.length];
      const writes = cuts.slice(1).map((to, at) => writer.write(bytes.subarray(cuts[at], to)));
      const info = writer.commit();
      await Promise.all(writes);
      assert.equal((await info).digest, digestOf(bytes));
    });

    it("has taken the bytes when a write resolves", async () => {
      const buffer = Buffer.alloc(64 * 1024);
      const wanted: Buffer[] = [];
      await using writer = await open("c1");
      for (let round = 0; round < 20; round++) {
        buffer.fill(round);
        wanted.push(Buffer.from(buffer));
        await writer.write(buffer);
      }
      assert.equal((await writer.commit()).digest, digestOf(Buffer.concat(wanted)));
    });

    it("makes the same of any chunks", async () => {
      let round = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 5_000 }),
          fc.array(fc.nat(5_000), { maxLength: 12 }),
          fc.nat(12),
          async (bytes, cuts, closeAfter) => {
            const ref = `chunks-${++round}`;
            const digest = digestOf(bytes);
            const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
            let writer = await open(ref);
            for (const [at, end] of ends.entries()) {
              if (at === closeAfter) {
                await writer[Symbol.asyncDispose]();
                writer = await open(ref);
              }
              await writer.write(bytes.subarray(writer.offset, end));
              assert.equal(writer.offset, end);
            }
            const info = await writer.commit({ size: bytes.length, expected: digest });
            assert.deepEqual([info.digest, info.size], [digest, bytes.length]);
            assert.deepEqual(await bytesOf(store.read({ digest, size: bytes.length })), Buffer.from(bytes));
            await store.delete(digest);
          },
        ),
        { numRuns: 25 },
      );
    });

    it("writes streams and large blobs", async () => {
      const bytes = randomBytes(9 * 1024 * 1024 + 3);
      const wanted = { mediaType: "x/y", digest: digestOf(bytes), size: bytes.length };
      assert.deepEqual(await writeBlob(store, bytes, { mediaType: "x/y", ref: "large" }, call), wanted);
      await store.delete(wanted.digest);
      async function* stream() {
        for (let at = 0; at < bytes.length; at += 300_000) yield bytes.subarray(at, at + 300_000);
      }
      assert.deepEqual(await writeBlob(store, stream(), { mediaType: "x/y", labels: { a: "b" } }, call), wanted);
      assert.deepEqual(await writeBlob(store, stream(), { mediaType: "x/y", labels: { c: "d" } }, call), wanted);
      assert.deepEqual((await store.info(wanted.digest)).labels, { a: "b", c: "d" });
      assert.ok(Buffer.from(await readBlob(store, wanted)).equals(bytes));
      assert.deepEqual(await all(store.statuses()), []);
    });
  });
}

/** What content stores with namespaces must do beside that. */
export function namespacesSuite(name: string, make: () => Promise<Required<ContentSubject>>): void {
  describe(name, () => {
    it("shares bytes between namespaces, and nothing else", async () => {
      const { store, call, other, end } = await make();
      const bytes = randomBytes(256);
      const digest = (await writeBlob(store, bytes, { mediaType: "x", labels: { mine: "1" } }, call)).digest;
      await assert.rejects(other.store.info(digest), isNotFound);
      await using shared = await other.store.writer("s", { ...other.call, size: 256, expected: digest });
      assert.equal(shared.offset, 256);
      await shared.commit({ labels: { theirs: "1" } });
      assert.deepEqual((await other.store.info(digest)).labels, { theirs: "1" });
      assert.deepEqual((await store.info(digest)).labels, { mine: "1" });

      const more = Buffer.from("and more");
      const longer = digestOf(Buffer.concat([bytes, more]));
      const { digest: third } = await writeBlob(store, randomBytes(10), { mediaType: "x" }, call);
      await using appended = await other.store.writer("t", { ...other.call, size: 10, expected: third });
      await appended.write(more);
      await assert.rejects(appended.commit({ size: 18, expected: longer }), isFailedPrecondition);
      assert.equal((await store.info(third)).size, 10);

      const fourth = randomBytes(20);
      await writeBlob(store, fourth, { mediaType: "x" }, call);
      const small = await writeBlob(other.store, fourth, { mediaType: "x" }, other.call);
      assert.equal((await other.store.info(small.digest)).size, 20);
      await other.store.delete(small.digest);
      assert.equal((await store.info(small.digest)).size, 20);
      await end();
    });
  });
}

function code(wanted: string): (error: unknown) => boolean {
  return (error) => isContainerdError(error) && error.code === wanted;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const item of items) got.push(item);
  return got;
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await all(chunks));
}

/** The status once the store has taken what was written; a write resolves before that. */
async function settledAt(store: Store, ref: string, offset: number): Promise<Status> {
  for (;;) {
    const status = await store.status(ref);
    if (status.offset >= offset) {
      assert.equal(status.offset, offset);
      return status;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** After an abort the lock is given up when the daemon has heard of it. */
async function unlocked(open: () => Promise<Writer>): Promise<Writer> {
  for (;;) {
    try {
      return await open();
    } catch (reason) {
      if (!isUnavailable(reason)) throw reason;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
