import { DataLossError, InvalidArgumentError, NotFoundError } from "../../errors.js";
import { fieldOf, type JsonObject } from "../../oci/json.js";
import type { WholeLimits } from "../archive/limits.js";
import type { ArchivePart, BindMount, CriuPart } from "../archive/part.js";
import { CriuDump } from "../criu/dump.js";
import { ImageMagic, readImage } from "../criu/image.js";
import { DumpMemory } from "../criu/memory.js";
import { processTree } from "../criu/process-tree.js";
import { type DumpStatistics, dumpStatistics } from "../criu/records.js";
import { criuLogFacts } from "./criu-log.js";
import { annotatedNetworks, type CheckpointDocuments, describe, podOf, specAnnotations } from "./describe.js";
import type { CheckpointInspection, CheckpointMount, CheckpointSizes } from "./inspection.js";
import { objectIn, textIn } from "./loose-json.js";
import { networksOf } from "./networks.js";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What was read of a checkpoint, part by part. */
export class Collected {
  readonly #limits: WholeLimits;
  readonly #wanted: string | undefined;
  readonly #dump: CriuDump;
  readonly #preDump: CriuDump;
  readonly #checkpoints = new Set<string>();
  readonly #documents: Writable<CheckpointDocuments> = { isDockerDirectory: false };
  readonly #sizes: Writable<CheckpointSizes>;
  readonly #volumes: string[] = [];
  #network: JsonObject | undefined;
  #deletedFiles: readonly string[] = [];
  #bindMounts: readonly BindMount[] = [];
  #statistics: DumpStatistics | undefined;
  #parent: string | undefined;
  #parts = 0;

  /** Begins; `wanted` is the one of several checkpoints that is meant. */
  constructor(limits: WholeLimits, wanted: string | undefined) {
    this.#limits = limits;
    this.#wanted = wanted;
    this.#dump = new CriuDump(limits);
    this.#preDump = new CriuDump(limits, new DumpMemory(this.#dump.memoryRecords));
    this.#sizes = {
      checkpoint: 0,
      memoryPages: 0,
      amdGpuPages: 0,
      preCheckpoint: 0,
      rootfsDiff: 0,
      shm: 0,
      volumes: 0,
      logs: 0,
    };
  }

  /** Takes a part. */
  async add(part: ArchivePart): Promise<void> {
    this.#parts += 1;
    const sizes = this.#sizes;
    switch (part.kind) {
      case "config":
      case "spec":
        this.#documents[part.kind] = part.document;
        break;
      case "status":
        this.#documents.status ??= part.document;
        break;
      case "image":
        this.#documents.image = part.annotations;
        break;
      case "network":
        this.#network = part.document;
        break;
      case "deleted-files":
        this.#deletedFiles = part.paths;
        break;
      case "bind-mounts":
        this.#bindMounts = part.mounts;
        break;
      case "parent":
        this.#parent = part.target;
        break;
      case "rootfs-diff":
        sizes.rootfsDiff += part.size;
        break;
      case "shm":
        sizes.shm += part.size;
        break;
      case "volume":
        sizes.volumes += part.size;
        this.#volumes.push(part.volume);
        break;
      case "log":
        sizes.logs += part.size;
        if (part.of === "criu") this.#documents.criuLog ??= await criuLogFacts(part.body);
        break;
      case "stats":
        if (part.of === "dump") await this.#addStatistics(part.name, part.body);
        break;
      case "criu":
        await this.#dumpOf(part)?.add(part);
        break;
      case "other":
        if (part.name.startsWith("checkpoint/")) sizes.checkpoint += part.size;
        break;
      case "directory":
      case "pod":
        break;
    }
  }

  /** Whether it pays to go through all parts once more, with {@link addPages}. */
  get isIncomplete(): boolean {
    return this.#dump.memory.isIncomplete;
  }

  /** Takes nothing of a part but pages of memory. */
  async addPages(part: ArchivePart): Promise<void> {
    if (part.kind === "criu") await this.#dumpOf(part)?.addPages(part);
  }

  /** Begins the dump before this one, which has memory that this one has not. */
  previous(): CriuDump {
    return new CriuDump(this.#limits, new DumpMemory(this.#dump.memoryRecords));
  }

  /** @throws {InvalidArgumentError} when it is no checkpoint, or several, and it was not said which one is meant */
  inspection(previous: readonly CriuDump[]): CheckpointInspection {
    this.#checkCheckpoints();
    const dump = this.#dump;
    if (this.#parts === 0) throw new DataLossError("Cannot inspect the archive: it is empty");
    const { config, spec } = this.#documents;
    if (config === undefined && spec === undefined && dump.bytes === 0 && this.#preDump.bytes === 0) {
      throw new InvalidArgumentError("Cannot inspect the archive: there is no part of a checkpoint in it");
    }
    const architecture = dump.processes.map(({ pid }) => dump.cores.get(pid)?.architecture).find((name) => name);
    const documents = architecture === undefined ? this.#documents : { ...this.#documents, architecture };
    const pod = podOf(documents);
    const networks = networksOf(this.#network);
    const memories = [this.#preDump, ...previous].filter(({ bytes }) => bytes > 0).map(({ memory }) => memory);
    return {
      ...describe(documents),
      ...(pod === undefined ? {} : { pod }),
      specAnnotations: specAnnotations(documents),
      networks: networks.length > 0 ? networks : annotatedNetworks(documents),
      sizes: {
        ...this.#sizes,
        checkpoint: this.#sizes.checkpoint + dump.bytes,
        memoryPages: dump.pagesBytes,
        amdGpuPages: dump.amdGpuPagesBytes,
        preCheckpoint: this.#preDump.bytes,
      },
      ...(this.#statistics === undefined ? {} : { statistics: this.#statistics }),
      processes: processTree(dump, memories, this.#limits),
      mounts: mountsOf(documents),
      dumpedMounts: dump.mounts,
      bindMounts: this.#bindMounts,
      deletedFiles: this.#deletedFiles,
      volumes: this.#volumes,
      ...(this.#parent === undefined ? {} : { parent: this.#parent }),
    };
  }

  #dumpOf({ isPreDump, checkpoint }: CriuPart): CriuDump | undefined {
    if (isPreDump) return this.#preDump;
    if (checkpoint === undefined) return this.#dump;
    this.#documents.isDockerDirectory = true;
    this.#checkpoints.add(checkpoint);
    const [first] = this.#checkpoints;
    return checkpoint === (this.#wanted ?? first) ? this.#dump : undefined;
  }

  #checkCheckpoints(): void {
    const names = JSON.stringify([...this.#checkpoints].slice(0, 20));
    if (this.#wanted !== undefined && !this.#checkpoints.has(this.#wanted)) {
      throw new NotFoundError(`Cannot inspect checkpoint ${JSON.stringify(this.#wanted)}: there is none but ${names}`);
    }
    if (this.#wanted === undefined && this.#checkpoints.size > 1) {
      throw new InvalidArgumentError(`Cannot inspect the archive: it has several checkpoints, ${names}`, {
        hint: "Say which one is meant.",
      });
    }
  }

  async #addStatistics(name: string, body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const entry of readImage(name, body, ImageMagic.stats, this.#dump.budget)) {
      this.#statistics ??= dumpStatistics(entry);
    }
  }
}

function mountsOf({ spec = {} }: CheckpointDocuments): readonly CheckpointMount[] {
  const mounts = fieldOf(spec, "mounts");
  return (Array.isArray(mounts) ? mounts : []).map((mount: unknown) => {
    const text = (field: string) => textIn(objectIn({ mount }, "mount"), field) ?? "";
    return { destination: text("destination"), type: text("type"), source: text("source") };
  });
}
