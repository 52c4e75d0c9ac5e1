import { ResourceExhaustedError } from "../../errors.js";

/** How much is taken in from a checkpoint archive, which nobody vouches for. Sizes are bytes. */
export interface ArchiveLimits {
  /** Members; 100,000 when absent. */
  readonly maxEntries?: number | undefined;
  /** Bytes of the unpacked archive; 64 GiB when absent. */
  readonly maxBytes?: number | undefined;
  /** Bytes of a member's name; 4096 when absent. */
  readonly maxNameBytes?: number | undefined;
  /** Bytes of all members' names and what links point to, together; 16 MiB when absent. */
  readonly maxNamesBytes?: number | undefined;
  /** Directories a member may lie in; 32 when absent. */
  readonly maxDepth?: number | undefined;
  /** Bytes of a document, or of one record in an image of criu's; 4 MiB when absent. */
  readonly maxDocumentBytes?: number | undefined;
  /** Values in all documents together; 250,000 when absent. */
  readonly maxValues?: number | undefined;
  /** How many times larger the unpacked archive may be than the packed one, beyond its first 64 MiB; 200 when absent. */
  readonly maxRatio?: number | undefined;
  /** Bytes of an OCI archive that are held in memory; 32 MiB when absent. */
  readonly maxHeldBytes?: number | undefined;
  /** Records of criu's images that are kept to be shown; 250,000 when absent. */
  readonly maxRecords?: number | undefined;
  /** Bytes of paths, names, arguments and environment that are taken from criu's images; 32 MiB when absent. */
  readonly maxTextBytes?: number | undefined;
}

const defaults: Required<{ readonly [L in keyof ArchiveLimits]: number }> = {
  maxEntries: 100_000,
  maxBytes: 64 * 2 ** 30,
  maxNameBytes: 4096,
  maxNamesBytes: 16 * 2 ** 20,
  maxDepth: 32,
  maxDocumentBytes: 4 * 2 ** 20,
  maxValues: 250_000,
  maxRatio: 200,
  maxHeldBytes: 32 * 2 ** 20,
  maxRecords: 250_000,
  maxTextBytes: 32 * 2 ** 20,
};

/** Limits with nothing left open. */
export type WholeLimits = typeof defaults;

/** Fills in what is absent. */
export function limitsOf(limits: ArchiveLimits): WholeLimits {
  const given = Object.entries(limits).filter(([key, value]) => value !== undefined && Object.hasOwn(defaults, key));
  return { ...defaults, ...Object.fromEntries(given) };
}

/**
 * Reads a document into memory.
 *
 * @throws {ResourceExhaustedError} when it is larger than documents may be; then nothing was read
 */
export async function documentBytes(
  name: string,
  size: number,
  body: AsyncIterable<Uint8Array>,
  { maxDocumentBytes }: WholeLimits,
): Promise<Uint8Array> {
  if (size > maxDocumentBytes) {
    throw new ResourceExhaustedError(
      `Cannot read ${JSON.stringify(name)} of the archive: it has ${size} bytes, at most ${maxDocumentBytes} are taken`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
