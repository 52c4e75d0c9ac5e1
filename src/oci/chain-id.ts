import { InvalidArgumentError } from "../errors.js";
import { type Digest, digestOf, parseDigest } from "./digest.js";

/**
 * Names the filesystem that a stack of layers makes, which is also the name of its committed snapshot.
 *
 * @param diffIds digests of the unpacked layers, lowest first.
 * @throws {InvalidArgumentError} when there is no layer or one of the digests is malformed.
 * @example
 * ```ts
 * const parent = chainId(config.rootfs.diff_ids);
 * ```
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid
 */
export function chainId(diffIds: readonly Digest[]): Digest {
  const last = chainIds(diffIds).at(-1);
  if (last === undefined) throw new InvalidArgumentError("Cannot name a chain of layers: expected at least one, got 0");
  return last;
}

/**
 * Names every stack on the way up: the chain of the first layer, of the first two, and so on.
 *
 * @throws {InvalidArgumentError} when one of the digests is malformed.
 */
export function chainIds(diffIds: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    const own = parseDigest(diffId);
    chain.push(below === undefined ? own : digestOf(new TextEncoder().encode(`${below} ${own}`)));
  }
  return chain;
}
