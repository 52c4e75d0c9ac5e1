import { setImmediate as nextTurn } from "node:timers/promises";
import { DataLossError } from "../errors.js";
import { algorithmOf, type Digest, digester } from "../oci/digest.js";

/** What is hashed before others have their turn; meanwhile more may come. */
const AT_ONCE = 256 * 1024;

/** Passes a whole blob's bytes on, and fails at the end, or as soon as there are too many, when they are not the blob's. */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  target: { readonly digest: Digest; readonly size?: number | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = digester(algorithmOf(target.digest));
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (target.size !== undefined && size > target.size) {
      throw new DataLossError(`Cannot read ${target.digest}: expected ${target.size} bytes, got more`);
    }
    for (let at = 0; at < chunk.length; at += AT_ONCE) {
      if (at > 0) await nextTurn();
      hash.update(chunk.subarray(at, at + AT_ONCE));
    }
    yield chunk;
  }
  if (target.size !== undefined && size !== target.size) {
    throw new DataLossError(`Cannot read ${target.digest}: expected ${target.size} bytes, got ${size}`);
  }
  const digest = hash.digest();
  if (digest !== target.digest) throw new DataLossError(`Cannot read ${target.digest}: the bytes are ${digest}`);
}
