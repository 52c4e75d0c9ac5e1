import { untilAborted } from "../../content/until-aborted.js";
import { ResourceExhaustedError } from "../../errors.js";
import { decompress } from "../../tar/decompress.js";
import { strictly } from "../../tar/strict.js";
import { readTar, type TarEntry } from "../../tar/tar.js";
import type { WholeLimits } from "./limits.js";
import { NameBudget } from "./name-budget.js";

// Small archives of zeros pack far better than any ratio that would be sensible for large ones.
const RATIO_FREE_BYTES = 64 * 2 ** 20;

/**
 * Reads the members of an archive nobody vouches for, packed or not; it is a tar that everybody reads alike, or refused. A source that
 * hangs is given up with the signal, and when the loop is left.
 */
export async function* archiveEntries(
  packed: AsyncIterable<Uint8Array>,
  limits: WholeLimits,
  signal?: AbortSignal,
): AsyncGenerator<TarEntry, void, undefined> {
  const left = new AbortController();
  const end = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  let packedBytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of untilAborted(packed, end)) {
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
  const names = new NameBudget(limits);
  try {
    for await (const entry of readTar(strictly(bounded()), { maxEntries, maxBytes })) {
      names.take(entry);
      yield entry;
    }
  } finally {
    left.abort();
  }
}
