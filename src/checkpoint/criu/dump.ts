import type { WholeLimits } from "../archive/limits.js";
import type { CriuPart } from "../archive/part.js";
import { DumpBudget } from "./budget.js";
import { type FileRecord, fileRecord, pipe, regularFile, unixSocketFile } from "./file-record.js";
import { ImageMagic, readImage } from "./image.js";
import { DumpMemory, type MemoryRecord, memoryRecord } from "./memory.js";
import type { Message } from "./message.js";
import { readPagemap } from "./pagemap.js";
import {
  type CoreRecord,
  coreRecord,
  type DescriptorRecord,
  type DumpedMount,
  descriptorRecord,
  type FsRecord,
  fsRecord,
  mountRecord,
  type ProcessRecord,
  processRecord,
} from "./records.js";

type Reader = (entry: Message, id: number) => void;

/** What was read of a dump's images, in whatever order they came. */
export class CriuDump {
  readonly processes: ProcessRecord[] = [];
  readonly cores: Map<number, CoreRecord> = new Map();
  readonly filesIds: Map<number, number> = new Map();
  readonly descriptors: Map<number, DescriptorRecord[]> = new Map();
  readonly files: Map<number, FileRecord> = new Map();
  readonly memfds: Map<number, string> = new Map();
  readonly places: Map<number, FsRecord> = new Map();
  readonly mounts: DumpedMount[] = [];
  readonly memoryRecords: Map<number, MemoryRecord> = new Map();
  readonly memory: DumpMemory;
  /** Bytes of all its files. */
  bytes: number = 0;
  /** Bytes of memory in it. */
  pagesBytes: number = 0;
  /** Bytes of the memory of AMD's GPUs in it. */
  amdGpuPagesBytes: number = 0;
  /** What may still be kept of it. */
  readonly budget: DumpBudget;

  /** Begins without images. The memory of a dump before another one is looked at for that one's processes. */
  constructor(limits: WholeLimits, memory?: DumpMemory) {
    this.budget = new DumpBudget(limits);
    this.memory = memory ?? new DumpMemory(this.memoryRecords);
  }

  /**
   * Takes an image.
   *
   * @throws {DataLossError} when it is broken
   * @throws {ResourceExhaustedError} when there is more in it than is taken
   */
  async add(part: CriuPart): Promise<void> {
    const { image, size } = part;
    this.bytes += size;
    if (image.startsWith("pages-")) this.pagesBytes += size;
    if (image.startsWith("amdgpu-pages-")) this.amdGpuPagesBytes += size;
    await this.addPages(part);
    const [, id] = /^pagemap-(\d{1,10})\.img$/.exec(image) ?? [];
    if (id !== undefined) {
      const pagemap = await readPagemap(readImage(part.name, part.body, ImageMagic.pagemap, this.budget));
      this.budget.takeRecords(pagemap?.lastRuns.length);
      if (pagemap !== undefined) this.memory.addPagemap(Number(id), pagemap);
    }
    const [kind, number = 0] = this.#readerOf(image);
    if (kind === undefined) return;
    for await (const entry of readImage(part.name, part.body, kind.magic, this.budget)) {
      this.budget.takeRecords();
      kind.read(entry, number);
    }
  }

  /** Takes nothing of an image but pages of memory. */
  async addPages({ image, size, body }: CriuPart): Promise<void> {
    const [, id] = /^pages-(\d{1,10})\.img$/.exec(image) ?? [];
    if (id !== undefined) await this.memory.addPages(Number(id), size, body);
  }

  #readerOf(image: string): readonly [{ readonly magic: number; readonly read: Reader }?, number?] {
    const [, name = "", id] = /^([a-z-]+?)(?:-(\d{1,10}))?\.img$/.exec(image) ?? [];
    const reader = Object.hasOwn(this.#readers, name) ? this.#readers[name] : undefined;
    return reader === undefined ? [] : [reader, Number(id ?? 0)];
  }

  readonly #readers: Readonly<Record<string, { readonly magic: number; readonly read: Reader }>> = {
    pstree: { magic: ImageMagic.pstree, read: (entry) => this.#addProcess(processRecord(entry)) },
    core: { magic: ImageMagic.core, read: (entry, id) => this.cores.set(id, coreRecord(entry)) },
    ids: { magic: ImageMagic.ids, read: (entry, id) => this.filesIds.set(id, entry.number(2)) },
    fs: { magic: ImageMagic.fs, read: (entry, id) => this.places.set(id, fsRecord(entry)) },
    mm: { magic: ImageMagic.mm, read: (entry, id) => this.memoryRecords.set(id, memoryRecord(entry)) },
    mountpoints: { magic: ImageMagic.mountPoints, read: (entry) => this.mounts.push(mountRecord(entry)) },
    files: { magic: ImageMagic.files, read: (entry) => this.#addFile(fileRecord(entry)) },
    "reg-files": { magic: ImageMagic.regFiles, read: (entry) => this.#addFile(regularFile(entry)) },
    pipes: { magic: ImageMagic.pipes, read: (entry) => this.#addFile(pipe(entry)) },
    unixsk: { magic: ImageMagic.unixSockets, read: (entry) => this.#addFile(unixSocketFile(entry)) },
    memfd: { magic: ImageMagic.memfdInodes, read: (entry) => this.memfds.set(entry.number(7), entry.text(1)) },
    fdinfo: {
      magic: ImageMagic.fdinfo,
      read: (entry, id) => {
        const list = this.descriptors.get(id) ?? [];
        list.push(descriptorRecord(entry));
        this.descriptors.set(id, list);
      },
    },
  };

  #addProcess(process: ProcessRecord): void {
    this.budget.takeRecords(process.threadIds.length);
    this.processes.push(process);
  }

  #addFile(file: FileRecord): void {
    if (!this.files.has(file.id)) this.files.set(file.id, file);
  }
}
