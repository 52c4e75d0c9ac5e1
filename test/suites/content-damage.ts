import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { it } from "node:test";
import fc from "fast-check";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { isDataLoss } from "../../src/errors.js";
import { bytesOf, type ContentSubject } from "./content-bed.js";

/** What a store that keeps blobs in files must do when these are damaged. */
export function damageSuite(
  name: string,
  make: () => Promise<ContentSubject & Required<Pick<ContentSubject, "fileOf">>>,
): void {
  it(`${name} never gives flipped, cut or added bytes for the right ones`, async () => {
    const { store, call, fileOf, end } = await make();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 200_000 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.constantFrom("flip", "cut", "add"),
        fc.integer({ min: 0, max: 7 }),
        async (size, part, kind, bit) => {
          const bytes = randomBytes(size);
          const { digest } = await writeBlob(store, bytes, { mediaType: "x" }, call);
          const file = fileOf(digest);
          const at = Math.floor(part * size);
          const damaged = await readFile(file);
          damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
          if (kind === "flip") await writeFile(file, damaged);
          else if (kind === "cut") await truncate(file, at);
          else await writeFile(file, bytes.subarray(0, at + 1), { flag: "a" });
          for (const read of [
            () => bytesOf(store.read({ digest, size })),
            () => bytesOf(store.read({ digest })),
            () => readBlob(store, { mediaType: "x", digest, size }),
          ]) {
            // Who knows how long the blob is may leave what was added where it is.
            if (kind === "add") await read().then((got) => assert.ok(bytes.equals(got)), assertDataLoss);
            else await assert.rejects(read, isDataLoss);
          }
          await store.delete(digest, call);
        },
      ),
      { numRuns: 25 },
    );
    await end();
  });
}

function assertDataLoss(reason: unknown): void {
  assert.ok(isDataLoss(reason), String(reason));
}
