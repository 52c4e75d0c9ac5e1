import type { Message } from "./message.js";
import type { Pagemap, PageRun } from "./pagemap.js";

const USUAL_PAGE = 4096;
const LARGEST_PAGE = 65_536;
// Linux allows no more than that for both together.
const MOST_TEXT_BYTES = 6 * 2 ** 20;
const TAIL_BYTES = 256 * 1024;
const MOST_TAIL_BYTES = 16 * 2 ** 20;
const MOST_CAPTURED_BYTES = 32 * 2 ** 20;
const MAP_SHARED = 1;

/** A range of addresses, without its end. */
export interface AddressRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** What is known of a process' memory besides its content. */
export interface MemoryRecord {
  readonly args: AddressRange;
  readonly env: AddressRange;
  readonly executableId: number;
  readonly sharedBytes: number;
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/mm.proto */
export function memoryRecord(entry: Message): MemoryRecord {
  let sharedBytes = 0;
  for (const area of entry.messages(14)) {
    if ((area.number(6) & MAP_SHARED) !== 0) sharedBytes += Number(area.bigint(2) - area.bigint(1));
  }
  return {
    args: { start: entry.bigint(8), end: entry.bigint(9) },
    env: { start: entry.bigint(10), end: entry.bigint(11) },
    executableId: entry.number(12),
    sharedBytes,
  };
}

interface Captured {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** The memory of the processes of one dump: what it measures, and the few pages that somebody asks for. */
export class DumpMemory {
  readonly #records: ReadonlyMap<number, MemoryRecord>;
  readonly #pagemaps = new Map<number, Pagemap>();
  readonly #owners = new Map<number, number[]>();
  readonly #captured = new Map<number, readonly Captured[]>();
  readonly #sizes = new Map<number, number>();
  #tailBytes = 0;
  #capturedBytes = 0;

  /** Takes the records of the processes, which may come later. */
  constructor(records: ReadonlyMap<number, MemoryRecord>) {
    this.#records = records;
  }

  /** Takes the pagemap of a process. */
  addPagemap(pid: number, pagemap: Pagemap): void {
    this.#pagemaps.set(pid, pagemap);
    const owners = this.#owners.get(pagemap.pagesId) ?? [];
    owners.push(pid);
    this.#owners.set(pagemap.pagesId, owners);
  }

  /**
   * Takes a file of pages, and keeps of it what arguments and environment lie in. Where it is not known yet which part that is, the
   * end is kept: most likely it is there.
   */
  async addPages(pagesId: number, size: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    this.#sizes.set(pagesId, size);
    const known = (this.#owners.get(pagesId) ?? []).filter((pid) => this.#records.has(pid));
    const ranges = known.flatMap((pid) => this.#textRanges(pid).flatMap((range) => this.#filePieces(pid, range)));
    const isKnown = known.length > 0;
    if (!isKnown && this.#tailBytes + TAIL_BYTES > MOST_TAIL_BYTES) return;
    const wanted = isKnown ? ranges : [{ start: Math.max(0, size - TAIL_BYTES), end: size }];
    const kept = await capture(
      body,
      wanted.filter(({ start, end }) => this.#mayKeep(end - start)),
    );
    if (!isKnown) this.#tailBytes += TAIL_BYTES;
    this.#captured.set(pagesId, [...(this.#captured.get(pagesId) ?? []), ...kept]);
  }

  /** Whether the files of pages, read once more, would tell what is not known. */
  get isIncomplete(): boolean {
    return [...this.#pagemaps].some(([pid, { pagesId }]) =>
      this.#textRanges(pid).some((range) =>
        this.#filePieces(pid, range).some(({ start, end }) => this.#kept(pagesId, start, end) === undefined),
      ),
    );
  }

  /** Bytes of a process' memory, wherever they are; undefined when the dump does not say. */
  sizeOf(pid: number): number | undefined {
    const pagemap = this.#pagemaps.get(pid);
    return pagemap === undefined ? undefined : pagemap.pages * this.#pageSize(pagemap);
  }

  /** What was at an address; undefined where the dump does not say. What dumps before this one have is asked of these. */
  read(pid: number, range: AddressRange, previous: readonly DumpMemory[]): Uint8Array | undefined {
    const pagemap = this.#pagemaps.get(pid);
    if (pagemap === undefined || !isText(range)) return undefined;
    const bytes = new Uint8Array(Number(range.end - range.start));
    const pageSize = this.#pageSize(pagemap);
    const [nearest, ...others] = previous;
    for (const run of pagemap.lastRuns) {
      const piece = overlap(run, range, pageSize);
      if (piece === undefined) continue;
      const at = fileOffset(run, piece, pageSize);
      const content =
        at === undefined
          ? run.isInParent && nearest?.read(pid, piece, others)
          : this.#kept(pagemap.pagesId, at, at + Number(piece.end - piece.start));
      if (!content) return undefined;
      bytes.set(content, Number(piece.start - range.start));
    }
    return isBelow(range, pagemap) ? undefined : bytes;
  }

  #textRanges(pid: number): readonly AddressRange[] {
    const record = this.#records.get(pid);
    return record === undefined ? [] : [record.args, record.env].filter(isText);
  }

  #filePieces(pid: number, range: AddressRange): { readonly start: number; readonly end: number }[] {
    const pagemap = this.#pagemaps.get(pid);
    if (pagemap === undefined) return [];
    const pageSize = this.#pageSize(pagemap);
    return pagemap.lastRuns.flatMap((run) => {
      const piece = overlap(run, range, pageSize);
      const start = piece === undefined ? undefined : fileOffset(run, piece, pageSize);
      if (piece === undefined || start === undefined) return [];
      return [{ start, end: start + Number(piece.end - piece.start) }];
    });
  }

  #kept(pagesId: number, start: number, end: number): Uint8Array | undefined {
    for (const kept of this.#captured.get(pagesId) ?? []) {
      if (start < kept.start || end > kept.start + kept.bytes.length) continue;
      return kept.bytes.subarray(start - kept.start, end - kept.start);
    }
    return undefined;
  }

  #mayKeep(bytes: number): boolean {
    this.#capturedBytes += bytes;
    return this.#capturedBytes <= MOST_CAPTURED_BYTES;
  }

  /** No image says how large pages were; the file of them does. */
  #pageSize({ pagesId, pagesPresent }: Pagemap): number {
    const size = (this.#sizes.get(pagesId) ?? 0) / pagesPresent;
    const isSize = size >= USUAL_PAGE && size <= LARGEST_PAGE && Number.isInteger(Math.log2(size));
    return isSize ? size : USUAL_PAGE;
  }
}

function isText({ start, end }: AddressRange): boolean {
  return end > start && end - start <= BigInt(MOST_TEXT_BYTES);
}

/** Whether a range reaches below what was kept of a pagemap. */
function isBelow({ start }: AddressRange, { lastRuns, pages }: Pagemap): boolean {
  const kept = lastRuns.reduce((total, run) => total + run.pages, 0);
  const [first] = lastRuns;
  return kept < pages && first !== undefined && start < first.address;
}

function overlap(run: PageRun, range: AddressRange, pageSize: number): AddressRange | undefined {
  const runEnd = run.address + BigInt(run.pages) * BigInt(pageSize);
  const start = run.address > range.start ? run.address : range.start;
  const end = runEnd < range.end ? runEnd : range.end;
  return start < end ? { start, end } : undefined;
}

function fileOffset({ offset, address }: PageRun, piece: AddressRange, pageSize: number): number | undefined {
  return offset === undefined ? undefined : offset * pageSize + Number(piece.start - address);
}

async function capture(
  body: AsyncIterable<Uint8Array>,
  ranges: readonly { readonly start: number; readonly end: number }[],
): Promise<readonly Captured[]> {
  const wanted = ranges.map(({ start, end }) => ({ start, bytes: new Uint8Array(end - start), got: 0 }));
  const last = Math.max(0, ...ranges.map(({ end }) => end));
  let at = 0;
  for await (const chunk of last > 0 ? body : []) {
    for (const piece of wanted) {
      const from = Math.max(at, piece.start);
      const to = Math.min(at + chunk.length, piece.start + piece.bytes.length);
      if (from >= to) continue;
      piece.bytes.set(chunk.subarray(from - at, to - at), from - piece.start);
      piece.got += to - from;
    }
    at += chunk.length;
    if (at >= last) break;
  }
  return wanted.filter(({ bytes, got }) => got === bytes.length);
}
