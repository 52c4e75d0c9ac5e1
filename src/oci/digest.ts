import { createHash } from "node:crypto";
import { InvalidArgumentError } from "../errors.js";

/**
 * Name of content by its hash: `algorithm:encoded`, such as `sha256:e3b0c442…`.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
 */
export type Digest = `${string}:${string}`;

/** An algorithm this library can hash with. */
export type DigestAlgorithm = "sha256" | "sha384" | "sha512";

/** Hashes bytes as they come. */
export interface Digester {
  /** Takes the next bytes in; they may be reused by the caller afterwards. */
  update(bytes: Uint8Array): void;
  /** The digest of everything taken in so far; more may follow. */
  digest(): Digest;
}

const grammar = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([A-Za-z0-9=_-]+)$/;

// A digest is used as a file name and as a URL segment; nothing longer than this is one.
const maxLength = 512;

const hexDigits: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/**
 * Reads a digest and checks it against the grammar, and its length and alphabet where the algorithm is a known one.
 *
 * @throws {InvalidArgumentError} when `text` is not a digest.
 * @example
 * ```ts
 * const digest = parseDigest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
 * ```
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
 */
export function parseDigest(text: string): Digest {
  const fault = faultOf(text);
  if (fault !== undefined) {
    throw new InvalidArgumentError(`Cannot parse digest ${JSON.stringify(shorten(text))}: ${fault}`);
  }
  return text as Digest;
}

/** Whether `value` is a digest that {@link parseDigest} takes. */
export function isDigest(value: unknown): value is Digest {
  return typeof value === "string" && faultOf(value) === undefined;
}

/**
 * Hashes `bytes` in one go.
 *
 * @throws {InvalidArgumentError} when the algorithm is not one this library can hash with.
 * @example
 * ```ts
 * digestOf(new Uint8Array()); // "sha256:e3b0c44298fc…"
 * ```
 */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  const hash = digester(algorithm);
  hash.update(bytes);
  return hash.digest();
}

/**
 * Starts hashing a stream of bytes.
 *
 * @throws {InvalidArgumentError} when the algorithm is not one this library can hash with.
 * @example
 * ```ts
 * const hash = digester();
 * for await (const chunk of chunks) hash.update(chunk);
 * const digest = hash.digest();
 * ```
 */
export function digester(algorithm: DigestAlgorithm = "sha256"): Digester {
  if (!isAlgorithm(algorithm)) {
    throw new InvalidArgumentError(`Cannot hash with ${JSON.stringify(algorithm)}: expected sha256, sha384 or sha512`);
  }
  const hash = createHash(algorithm);
  return {
    update(bytes: Uint8Array): void {
      hash.update(bytes);
    },
    digest(): Digest {
      return `${algorithm}:${hash.copy().digest("hex")}`;
    },
  };
}

/**
 * The algorithm a digest was made with, to make another one like it.
 *
 * @throws {InvalidArgumentError} when `digest` is malformed, or this library cannot hash with its algorithm.
 */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  const parsed = parseDigest(digest);
  const algorithm = parsed.slice(0, parsed.indexOf(":"));
  if (!isAlgorithm(algorithm)) {
    throw new InvalidArgumentError(`Cannot hash with ${JSON.stringify(algorithm)}: expected sha256, sha384 or sha512`);
  }
  return algorithm;
}

/** What is wrong with `text`, or undefined when it is a digest. */
function faultOf(text: string): string | undefined {
  if (text.length > maxLength) return `expected at most ${maxLength} characters, got ${text.length}`;
  const match = grammar.exec(text);
  const [, algorithm, encoded] = match ?? [];
  if (algorithm === undefined || encoded === undefined) return 'expected "algorithm:encoded"';
  if (!isAlgorithm(algorithm)) return undefined;
  const expected = hexDigits[algorithm];
  if (encoded.length !== expected) return `expected ${expected} hex digits, got ${encoded.length}`;
  if (!/^[0-9a-f]*$/.test(encoded)) return "expected lower-case hex digits only";
  return undefined;
}

function isAlgorithm(name: string): name is DigestAlgorithm {
  return Object.hasOwn(hexDigits, name);
}

function shorten(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}
