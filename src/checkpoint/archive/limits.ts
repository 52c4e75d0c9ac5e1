/** How much is taken in from a checkpoint archive, which nobody vouches for. Sizes are bytes. */
export interface ArchiveLimits {
  /** Members; 100,000 when absent. */
  readonly maxEntries?: number | undefined;
  /** Bytes of the unpacked archive; 64 GiB when absent. */
  readonly maxBytes?: number | undefined;
  /** Bytes of a member's name; 4096 when absent. */
  readonly maxNameBytes?: number | undefined;
  /** Directories a member may lie in; 32 when absent. */
  readonly maxDepth?: number | undefined;
  /** Bytes of a document: JSON, or an image of criu's that is decoded; 16 MiB when absent. */
  readonly maxDocumentBytes?: number | undefined;
  /** How many times larger the unpacked archive may be than the packed one, beyond its first 64 MiB; 200 when absent. */
  readonly maxRatio?: number | undefined;
}

const defaults: Required<{ readonly [L in keyof ArchiveLimits]: number }> = {
  maxEntries: 100_000,
  maxBytes: 64 * 2 ** 30,
  maxNameBytes: 4096,
  maxDepth: 32,
  maxDocumentBytes: 16 * 2 ** 20,
  maxRatio: 200,
};

/** Limits with nothing left open. */
export type WholeLimits = typeof defaults;

/** Fills in what is absent. */
export function limitsOf(limits: ArchiveLimits): WholeLimits {
  const given = Object.entries(limits).filter(([key, value]) => value !== undefined && Object.hasOwn(defaults, key));
  return { ...defaults, ...Object.fromEntries(given) };
}
