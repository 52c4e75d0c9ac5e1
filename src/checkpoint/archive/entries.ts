import { ResourceExhaustedError } from "../../errors.js";
import { decompress } from "../../tar/decompress.js";
import { strictly } from "../../tar/strict.js";
import { readTar, type TarEntry } from "../../tar/tar.js";
import type { WholeLimits } from "./limits.js";
import { NameBudget } from "./name-budget.js";

// Small archives of zeros pack far better than any ratio that would be sensible for large ones.
const RATIO_FREE_BYTES = 64 * 2 ** 20;

/** Reads the members of an archive nobody vouches for, packed or not; it is a tar that everybody reads alike, or refused. */
export function archiveEntries(
  packed: AsyncIterable<Uint8Array>,
  limits: WholeLimits,
): AsyncGenerator<TarEntry, void, undefined> {
  let packedBytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of packed) {
      packedBytes += chunk.length;
      yield chunk;
    }
  }
  async function* bounded(): AsyncGenerator<Uint8Array, void, undefined> {
    let bytes = 0;
    for await (const chunk of decompress(counted())) {
      bytes += chunk.length;
      if (bytes > RATIO_FREE_BYTES && bytes > packedBytes * limits.maxRatio) {
        throw new ResourceExhaustedError(
          `Cannot read the archive: ${packedBytes} bytes unpack to more than ${limits.maxRatio} times as many`,
        );
      }
      yield chunk;
    }
  }
  const { maxEntries, maxBytes } = limits;
  return withBoundedNames(readTar(strictly(bounded()), { maxEntries, maxBytes }), limits);
}

async function* withBoundedNames(
  entries: AsyncIterable<TarEntry>,
  limits: WholeLimits,
): AsyncGenerator<TarEntry, void, undefined> {
  const names = new NameBudget(limits);
  for await (const entry of entries) {
    names.take(entry);
    yield entry;
  }
}
