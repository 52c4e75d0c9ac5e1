import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { it } from "node:test";
import fc from "fast-check";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { filter } from "../../src/content/filter.js";
import type { Info } from "../../src/content/store.js";
import { isAlreadyExists, isDataLoss, isFailedPrecondition, isInvalidArgument, isNotFound } from "../../src/errors.js";
import { type Digest, digestOf } from "../../src/oci/digest.js";
import { absent, all, bytesOf, type ContentBed, code } from "./content-bed.js";

/** What a store must do with blobs: read, list, label, delete, verify. */
export function blobCases(bed: ContentBed): void {
  it("takes what is there already for success, and adds the labels", async () => {
    const bytes = randomBytes(100);
    const digest = await bed.written(bytes, { first: "1", second: "2" });
    const expected: Info["labels"][] = [
      { first: "1", second: "2", third: "3" },
      { first: "one", second: "2", third: "3" },
      { first: "one", second: "2", third: "3", fourth: "4" },
    ];
    const known = await bed.open("named");
    await known.write(bytes);
    assert.deepEqual((await known.commit({ expected: digest, labels: { third: "3" } })).labels, expected[0]);
    const unknown = await bed.open("unnamed");
    await unknown.write(bytes);
    assert.deepEqual((await unknown.commit({ labels: { first: "one" } })).labels, expected[1]);
    assert.equal(await bed.written(bytes, { fourth: "4" }), digest);
    assert.deepEqual((await bed.store.info(digest)).labels, expected[2]);
    assert.equal((await all(bed.store.list())).length, 1);
    await assert.rejects(bed.open("again", { expected: digest }), isAlreadyExists);
    await (await bed.open("unnamed"))[Symbol.asyncDispose]();
    assert.equal((await bed.open("named")).offset, 0);
  });

  it("reads blobs and parts of them", async () => {
    const bytes = randomBytes(3 * 1024 * 1024 + 5);
    const digest = await bed.written(bytes);
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
      const got = await bytesOf(bed.store.read({ digest, size: length }, range));
      assert.ok(got.equals(bytes.subarray(from, to)), JSON.stringify(range));
    }
    await assert.rejects(bytesOf(bed.store.read({ digest }, { offset: length + 1 })), code("out_of_range"));
    for (const range of [{ offset: -1 }, { length: -1 }, { offset: 0.5 }, { length: Number.NaN }]) {
      await assert.rejects(bytesOf(bed.store.read({ digest }, range)), isInvalidArgument);
    }
    await assert.rejects(bytesOf(bed.store.read({ digest: absent })), isNotFound);
    await assert.rejects(bytesOf(bed.store.read({ digest: "sha256:no" })), isInvalidArgument);
    await assert.rejects(bytesOf(bed.store.read({ digest, size: length - 1 })), isDataLoss);
    await assert.rejects(bytesOf(bed.store.read({ digest, size: length + 1 })), isDataLoss);
    await assert.rejects(readBlob(bed.store, { mediaType: "x", digest, size: 4 }), isDataLoss);
  });

  it("keeps labels, and sets and deletes them one by one", async () => {
    const digest = await bed.written(Buffer.from("labels"), { k1: "v1", k2: "v2", "dotted.name/k": "x", empty: "" });
    const first = await bed.store.info(digest);
    assert.deepEqual(first.labels, { k1: "v1", k2: "v2", "dotted.name/k": "x" });
    const second = await bed.store.update(digest, { k1: "new", k2: null, k3: "v3", k4: null, "dotted.name/k": "y" });
    assert.deepEqual(second.labels, { k1: "new", k3: "v3", "dotted.name/k": "y" });
    assert.deepEqual(await bed.store.info(digest), second);
    assert.deepEqual([second.createdAt, second.size], [first.createdAt, 6]);
    assert.ok((second.updatedAt ?? 0) >= (first.updatedAt ?? 0));
    assert.deepEqual(await bed.store.update(digest, {}), second);
    await assert.rejects(bed.store.update(digest, { long: "x".repeat(4096) }), isInvalidArgument);
    await assert.rejects(bed.store.update(absent, { k: "v" }), isNotFound);
  });

  it("lists what a filter asks for, however many there are", async () => {
    const odd = 'a "quoted",\\ odd\tv\u00e4lue\n\u{1f600}\u2028';
    const digests: Digest[] = [];
    for (let at = 0; at < 120; at++) {
      digests.push(
        await bed.written(Buffer.from(`blob ${at}`), { at: String(at), "my.app/odd key": at === 7 ? odd : "no" }),
      );
    }
    const found = async (...filters: string[]) => (await all(bed.store.list(filters))).map((one) => one.digest).sort();
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
    for await (const info of bed.store.list()) {
      assert.ok(info.size > 0);
      break;
    }
  });

  it("refuses bytes that are not what they were said to be", async () => {
    const put = bed.store.put?.bind(bed.store);
    if (put !== undefined) {
      await assert.rejects(put("p", Buffer.from("abc"), { ...bed.call, expected: absent }), isFailedPrecondition);
    }
    const writer = await bed.open("w", { size: 2, expected: absent });
    await writer.write(Buffer.from("abc"));
    await assert.rejects(writer.commit(), isFailedPrecondition);
    await assert.rejects(bed.store.info(absent), isNotFound);
    await assert.rejects(bed.open(""), isInvalidArgument);
  });

  it("deletes", async () => {
    const digest = await bed.written(Buffer.from("short-lived"));
    await bed.store.delete(digest);
    await assert.rejects(bed.store.info(digest), isNotFound);
    await assert.rejects(bed.store.delete(digest), isNotFound);
    await assert.rejects(bytesOf(bed.store.read({ digest })), isNotFound);
  });

  it("ends a read when the loop is left or the signal says so", async () => {
    const bytes = randomBytes(8 * 1024 * 1024);
    const digest = await bed.written(bytes);
    for await (const chunk of bed.store.read({ digest })) {
      assert.ok(chunk.length < bytes.length);
      break;
    }
    const abort = new AbortController();
    const reason = new Error("enough");
    let got = 0;
    await assert.rejects(
      async () => {
        for await (const chunk of bed.store.read({ digest }, { signal: abort.signal })) {
          got += chunk.length;
          abort.abort(reason);
        }
      },
      (error) => error === reason,
    );
    assert.ok(got < bytes.length);
    await assert.rejects(bytesOf(bed.store.read({ digest }, { signal: abort.signal })), (error) => error === reason);
    assert.equal((await readBlob(bed.store, { mediaType: "x", digest, size: bytes.length })).length, bytes.length);
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
          let writer = await bed.open(ref);
          for (const [at, end] of ends.entries()) {
            if (at === closeAfter) {
              await writer[Symbol.asyncDispose]();
              writer = await bed.open(ref);
            }
            await writer.write(bytes.subarray(writer.offset, end));
            assert.equal(writer.offset, end);
          }
          const info = await writer.commit({ size: bytes.length, expected: digest });
          assert.deepEqual([info.digest, info.size], [digest, bytes.length]);
          assert.deepEqual(await bytesOf(bed.store.read({ digest, size: bytes.length })), Buffer.from(bytes));
          await bed.store.delete(digest);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("writes streams and large blobs", async () => {
    const bytes = randomBytes(9 * 1024 * 1024 + 3);
    const wanted = { mediaType: "x/y", digest: digestOf(bytes), size: bytes.length };
    assert.deepEqual(await writeBlob(bed.store, bytes, { mediaType: "x/y", ref: "large" }, bed.call), wanted);
    await bed.store.delete(wanted.digest);
    async function* stream() {
      for (let at = 0; at < bytes.length; at += 300_000) yield bytes.subarray(at, at + 300_000);
    }
    assert.deepEqual(await writeBlob(bed.store, stream(), { mediaType: "x/y", labels: { a: "b" } }, bed.call), wanted);
    assert.deepEqual(await writeBlob(bed.store, stream(), { mediaType: "x/y", labels: { c: "d" } }, bed.call), wanted);
    assert.deepEqual((await bed.store.info(wanted.digest)).labels, { a: "b", c: "d" });
    assert.ok(Buffer.from(await readBlob(bed.store, wanted)).equals(bytes));
    assert.deepEqual(await all(bed.store.statuses()), []);
  });
}
