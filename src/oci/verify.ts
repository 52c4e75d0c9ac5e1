import { DataLossError } from "../errors.js";
import type { Descriptor } from "./descriptor.js";
import { algorithmOf, digester } from "./digest.js";

/** What bytes are checked against. */
export type Expected = Pick<Descriptor, "digest" | "size">;

/** Checks bytes against a descriptor as they come. */
export interface VerifyingDigester {
  /** Bytes taken in so far. */
  readonly size: number;
  /**
   * Takes the next bytes in.
   *
   * @throws {DataLossError} when there are now more bytes than the descriptor says.
   */
  update(bytes: Uint8Array): void;
  /**
   * Says that this was all.
   *
   * @throws {DataLossError} when size or digest differ from the descriptor's.
   */
  verify(): void;
}

/**
 * Starts checking a stream of bytes against a descriptor.
 *
 * @throws {InvalidArgumentError} when the digest is malformed or of an algorithm that cannot be checked.
 * @example
 * ```ts
 * const check = verifyingDigester(descriptor);
 * for await (const chunk of chunks) check.update(chunk);
 * check.verify();
 * ```
 */
export function verifyingDigester(expected: Expected): VerifyingDigester {
  const hash = digester(algorithmOf(expected.digest));
  let size = 0;
  return {
    get size(): number {
      return size;
    },
    update(bytes: Uint8Array): void {
      size += bytes.byteLength;
      if (size > expected.size) {
        throw new DataLossError(`Content ${expected.digest} is too long: expected ${expected.size} bytes, got ${size}`);
      }
      hash.update(bytes);
    },
    verify(): void {
      if (size !== expected.size) {
        throw new DataLossError(`Content ${expected.digest} is cut off: expected ${expected.size} bytes, got ${size}`);
      }
      const actual = hash.digest();
      if (actual !== expected.digest) {
        throw new DataLossError(`Content ${expected.digest} is damaged: its digest is ${actual}`);
      }
    },
  };
}

/**
 * Checks that `bytes` are what `expected` says.
 *
 * @throws {DataLossError} when size or digest differ.
 * @throws {InvalidArgumentError} when the digest is malformed or of an algorithm that cannot be checked.
 */
export function verifyBytes(bytes: Uint8Array, expected: Expected): void {
  const check = verifyingDigester(expected);
  check.update(bytes);
  check.verify();
}
