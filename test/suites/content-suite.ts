import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, it } from "node:test";
import { writeBlob } from "../../src/content/blob.js";
import { isFailedPrecondition, isNotFound } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { abortCases } from "./content-aborts.js";
import { ContentBed, type ContentSubject } from "./content-bed.js";
import { blobCases } from "./content-blobs.js";
import { ingestCases } from "./content-ingests.js";

/** What every content store must do, whatever is behind it. */
export function contentSuite(name: string, make: () => Promise<ContentSubject>): void {
  describe(name, () => {
    const bed = new ContentBed(make);
    beforeEach(() => bed.begin());
    afterEach(() => bed.end());
    ingestCases(bed);
    blobCases(bed);
    abortCases(bed);
  });
}

/** What content stores with namespaces must do beside that. */
export function namespacesSuite(
  name: string,
  make: () => Promise<ContentSubject & Required<Pick<ContentSubject, "other">>>,
): void {
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
