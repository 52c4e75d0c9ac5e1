import type { Provider } from "../../src/content/store.js";
import { NotFoundError } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";

/** A provider of the given blobs that counts its reads; `lies` come under digests that are not theirs. */
export function providerOf(
  blob?: Uint8Array,
  lies: ReadonlyMap<string, Uint8Array> = new Map(),
): Provider & { reads: number } {
  const blobs = new Map<string, Uint8Array>(blob === undefined ? [] : [[digestOf(blob), blob]]);
  for (const [digest, bytes] of lies) blobs.set(digest, bytes);
  return {
    reads: 0,
    async *read({ digest }, { offset = 0, length } = {}) {
      this.reads++;
      const bytes = blobs.get(digest);
      if (bytes === undefined) throw new NotFoundError(`content ${digest}: not found`);
      yield bytes.subarray(offset, length === undefined ? undefined : offset + length);
    },
  };
}
