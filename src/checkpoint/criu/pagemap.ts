import type { Message } from "./message.js";

const IN_PARENT = 1;
const IS_PRESENT = 4;
// Arguments and environment lie at the upper end of the stack, and so do the last pages.
const KEPT_RUNS = 256;

/** Pages that follow each other in memory. */
export interface PageRun {
  /** Address of the first. */
  readonly address: bigint;
  /** How many there are. */
  readonly pages: number;
  /** Where the first is in the file of pages, in pages; undefined when they are not in there. */
  readonly offset: number | undefined;
  /** Whether the dump before this one has them. */
  readonly isInParent: boolean;
}

/** Which pages of a process are in the dump, as far as somebody may ask for them. */
export interface Pagemap {
  /** The number of the file of pages. */
  readonly pagesId: number;
  /** Pages of the process, wherever they are. */
  readonly pages: number;
  /** Pages that are in the file. */
  readonly pagesPresent: number;
  /** The last runs, by address. */
  readonly lastRuns: readonly PageRun[];
}

/**
 * Reads the entries of a pagemap, keeping but the last.
 *
 * @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/pagemap.proto
 */
export async function readPagemap(entries: AsyncIterable<Message>): Promise<Pagemap | undefined> {
  let pagesId: number | undefined;
  let [pages, pagesPresent] = [0, 0];
  let runs: PageRun[] = [];
  for await (const entry of entries) {
    if (pagesId === undefined) {
      pagesId = entry.number(1);
      continue;
    }
    const count = entry.has(5) ? entry.number(5) : entry.number(2);
    const flags = entry.number(4);
    const isInParent = entry.number(3) !== 0 || (flags & IN_PARENT) !== 0;
    // Older ones have no flags.
    const isPresent = entry.has(4) ? (flags & IS_PRESENT) !== 0 : !isInParent;
    runs.push({ address: entry.bigint(1), pages: count, offset: isPresent ? pagesPresent : undefined, isInParent });
    if (runs.length >= 2 * KEPT_RUNS) runs = runs.slice(-KEPT_RUNS);
    pages += count;
    if (isPresent) pagesPresent += count;
  }
  return pagesId === undefined ? undefined : { pagesId, pages, pagesPresent, lastRuns: runs.slice(-KEPT_RUNS) };
}
