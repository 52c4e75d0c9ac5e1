import { setMaxListeners } from "node:events";
import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { ContentCreateSchema, ContentDeleteSchema } from "../api/events/content_pb.js";
import type { Mount } from "../api/types/mount_pb.js";
import type { Tree } from "../tree/tree.js";
import { packAny } from "../typeurl.js";
import { CollectionSchedule } from "./collector/collection-schedule.js";
import { collectGarbage } from "./collector/collector.js";
import type { Bytes } from "./content/bytes.js";
import { NamespaceContent } from "./content/namespace-content.js";
import type { Daemon, Records, Resource } from "./daemon.js";
import { Exchange } from "./events/exchange.js";
import { LeaseHolds } from "./leases/lease-holds.js";
import { Metadata } from "./metadata/metadata.js";
import type { RecordFiles } from "./metadata/record-files.js";
import type { RecordKinds } from "./metadata/record-kinds.js";
import { Snapshotters } from "./snapshots/snapshotters.js";
import { StateDirectory } from "./state-directory.js";

/** Where a daemon keeps what. */
export interface DaemonPlaces {
  readonly root: string | undefined;
  /** Undefined: records are in memory only. */
  readonly records: RecordFiles | undefined;
  readonly bytes: Bytes;
}

/** The daemon in this process. */
export class LocalDaemon implements Daemon {
  readonly root: string | undefined;
  readonly exchange: Exchange;
  readonly stateDirectory: StateDirectory;
  readonly snapshots: Snapshotters;
  readonly #bytes: Bytes;
  readonly #metadata: Metadata;
  readonly #schedule: CollectionSchedule;
  readonly #contents = new Map<string, NamespaceContent>();
  readonly #stop = new AbortController();

  constructor({ root, records, bytes }: DaemonPlaces) {
    this.root = root;
    // One for each call under way.
    setMaxListeners(0, this.#stop.signal);
    this.exchange = new Exchange(this.#stop.signal);
    this.stateDirectory = new StateDirectory(root);
    this.#bytes = bytes;
    this.#schedule = new CollectionSchedule(() => this.collect());
    this.#metadata = new Metadata(records, (isDeletion) => this.#schedule.changed(isDeletion));
    this.snapshots = new Snapshotters(this);
    // What a crash left without a record.
    if (root !== undefined) this.#schedule.soon();
  }

  get state(): string {
    return this.stateDirectory.path;
  }

  get snapshotters(): Snapshotters["byName"] {
    return this.snapshots.byName;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  namespaces(): readonly string[] {
    return this.#metadata.namespaces();
  }

  records<K extends keyof RecordKinds>(namespace: string, kind: K): Records<RecordKinds[K]> {
    return this.#metadata.of(namespace, kind);
  }

  content(namespace: string): NamespaceContent {
    const content = this.#contents.get(namespace) ?? this.#newContent(namespace);
    this.#contents.set(namespace, content);
    return content;
  }

  publish(namespace: string, topic: string, payload: Any): void {
    this.exchange.publish(namespace, topic, payload);
  }

  hold(namespace: string, lease: string | undefined, resource: Resource): void {
    if (lease !== undefined) new LeaseHolds(this, namespace).add(lease, resource);
  }

  async collect(): Promise<void> {
    this.#schedule.begun();
    const removal = collectGarbage(this, this.#bytes);
    // What the collector deletes is no reason to collect again.
    this.#schedule.begun();
    await removal;
  }

  filesystem(mounts: readonly Mount[]): Promise<Tree> {
    return this.snapshots.filesystem(mounts);
  }

  /** Ends calls, and collects no more. */
  end(): void {
    this.#stop.abort();
    this.#schedule.close();
  }

  #newContent(namespace: string): NamespaceContent {
    return new NamespaceContent({
      namespace,
      bytes: this.#bytes,
      blobs: this.records(namespace, "content"),
      ingests: this.records(namespace, "ingests"),
      locks: new Map(),
      hold: (lease, resource) => this.hold(namespace, lease, resource),
      release: (lease, resource) => {
        if (lease !== undefined) new LeaseHolds(this, namespace).delete(lease, resource);
      },
      created: (digest, size) => {
        const event = create(ContentCreateSchema, { digest, size: BigInt(size) });
        this.publish(namespace, "/content/create", packAny(ContentCreateSchema, event));
      },
      deleted: (digest) =>
        this.publish(
          namespace,
          "/content/delete",
          packAny(ContentDeleteSchema, create(ContentDeleteSchema, { digest })),
        ),
    });
  }
}
