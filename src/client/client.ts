import type { Any } from "@bufbuild/protobuf/wkt";
import { Version } from "../api/services/version/v1/version_pb.js";
import type { CallOptions } from "../call-options.js";
import type { ArchiveSource } from "../checkpoint/archive/read.js";
import type { ImportedCheckpoint } from "../checkpoint/convert/import-archive.js";
import type { CheckpointOption } from "../checkpoint/plan.js";
import type { RestoreOption } from "../checkpoint/restore-plan.js";
import { RemoteStore } from "../content/remote.js";
import type { Store } from "../content/store.js";
import { InvalidArgumentError } from "../errors.js";
import type { LeaseManager } from "../leases/lease.js";
import { RemoteLeases } from "../leases/remote.js";
import { Rpc } from "../rpc/rpc.js";
import type { Transport } from "../rpc/transport.js";
import type { ExportCheckpointOptions, ImportCheckpointOptions } from "./checkpoint-archive.js";
import type { CheckpointSource } from "./checkpoint-source.js";
import type { CheckpointCall, CheckpointResult } from "./checkpointing.js";
import type { Container } from "./container.js";
import { Containers } from "./containers.js";
import { Diffs } from "./diffs.js";
import type { Events, Topic } from "./event-topics.js";
import type { EventOf, EventsOptions } from "./events.js";
import { Images } from "./images.js";
import { Introspection } from "./introspection.js";
import { Namespaces } from "./namespaces.js";
import { once } from "./once.js";
import type { RecoveredOperation, RecoverOptions } from "./recovery/recover.js";
import type { SweepResult } from "./recovery/sweep.js";
import type { RestoreCall } from "./restoring.js";
import type { Services } from "./services.js";
import { Snapshots } from "./snapshots.js";
import { endThaws } from "./thaws.js";
import { callOffOperations } from "./under-way.js";

const starting = once(() => import("./start-checkpoint.js"));
const rooting = once(() => import("./shared-root.js"));
const restoring = once(() => import("./restoring.js"));
// Looking at a checkpoint's image and handing out its container take these: loaded together, nobody waits for them later.
const beside = once(() => Promise.all([import("./image.js"), import("./container.js")]));
const checkpointArchives = once(() => import("./checkpoint-archive.js"));
const recovering = once(() => import("./recovery/recover.js"));
const sweeping = once(() => import("./recovery/sweep.js"));
const events = once(() => import("./events.js"));

/**
 * How a client reaches its daemon.
 *
 * @inline
 */
export interface ClientOptions {
  /** How calls travel. The client closes it when it is closed itself. */
  readonly transport: Transport;
  /** The namespace it works in. */
  readonly namespace: string;
  /**
   * Whether a guardian, a process of its own, stands by while a checkpoint has a task paused, and resumes it should this
   * process die. There can be one for transports made by `unixTransport()` and `tcpTransport()`. Default: true.
   */
  readonly guardian?: boolean | undefined;
  /**
   * Whether large blobs are read from the files the daemon keeps them in, after it has said that the namespace has them: where
   * the transport is local, and these files are this process's to read. They are verified as any others. Default: true.
   */
  readonly localContent?: boolean | undefined;
  /** How many checkpoints and restores run at once over the connection; further ones wait for their turn. Default: 16. */
  readonly maxConcurrent?: number | undefined;
}

/**
 * Which daemon this is.
 *
 * @inline
 */
export interface DaemonVersion {
  /** Such as `1.7.24` or `v2.1.4`. */
  readonly version: string;
  /** The revision it was built from; empty when it does not say. */
  readonly revision: string;
}

const DEFAULT_SNAPSHOTTER = "overlayfs";
const DEFAULT_MAX_CONCURRENT = 16;

/** A daemon, in one namespace. Making one does no I/O: the connection comes to be with the first call, and again after it was lost. */
export class Client implements AsyncDisposable {
  /** The containers of the namespace. */
  readonly containers: Containers;
  /** The images of the namespace. */
  readonly images: Images;
  /** The content of the namespace. */
  readonly content: Store;
  /** The leases of the namespace. */
  readonly leases: LeaseManager;
  /** Differences between filesystems. */
  readonly diffs: Diffs;
  /** All namespaces of the daemon. */
  readonly namespaces: Namespaces;
  /** What the daemon is made of. */
  readonly introspection: Introspection;
  readonly #services: Services;
  readonly #options: ClientOptions;
  readonly #ownsTransport: boolean;

  /**
   * Makes a client over a transport of the caller's.
   *
   * @example
   * ```ts
   * const client = new Client({ transport: unixTransport("/run/containerd/containerd.sock"), namespace: "default" });
   * ```
   * @throws {InvalidArgumentError} when `maxConcurrent` is not a whole number from 1
   */
  constructor(options: ClientOptions);
  /** @internal */
  constructor(options: ClientOptions, ownsTransport: boolean);
  constructor(options: ClientOptions, ownsTransport = true) {
    const services = new NamespaceServices(options);
    this.#services = services;
    this.#options = options;
    this.#ownsTransport = ownsTransport;
    this.containers = services.containers;
    this.images = services.images;
    this.content = services.content;
    this.leases = services.leases;
    this.diffs = services.diffs;
    this.introspection = services.introspection;
    this.namespaces = new Namespaces(services.rpc);
  }

  /** The namespace it works in. */
  get namespace(): string {
    return this.#services.namespace;
  }

  /** The snapshots of one snapshotter; of `overlayfs` when none is named. */
  snapshots(snapshotter: string = DEFAULT_SNAPSHOTTER): Snapshots {
    return this.#services.snapshots(snapshotter);
  }

  /** Asks the daemon its version, such as `1.7.24` or `v2.1.4`, and the revision it was built from. */
  async version(call: CallOptions = {}): Promise<DaemonVersion> {
    const { version, revision } = await this.#services.rpc.unary(Version.method.version, {}, call);
    return { version, revision };
  }

  /**
   * Freezes a container whose id is known into an image: what `container.checkpoint()` does, without looking the container up first.
   *
   * @example
   * ```ts
   * const { cost } = await client.checkpoint("counter", "counter:frozen");
   * ```
   * @throws {AlreadyExistsError} when there is an image of that name
   * @throws {FailedPreconditionError} when the container is not in a state to be checkpointed, or criu refuses
   * @throws {NotFoundError} when the container, or its base image that was asked for, is gone
   */
  async checkpoint(
    id: string,
    ref: string,
    options: readonly CheckpointOption[] = [],
    call: CheckpointCall = {},
  ): Promise<CheckpointResult> {
    return (await starting()).startCheckpoint(this.#services, id, ref, options, call);
  }

  /**
   * Makes a container from a checkpoint, beside the living original or in its place: the base image by its digest, the
   * changed files, spec and runtime; options name some of these instead of all. Its processes are thawed by
   * `newTask({ checkpoint })` and `start()`. All of it, or nothing.
   *
   * @example
   * ```ts
   * const copy = await client.restore("counter-2", "counter:frozen");
   * const task = await copy.newTask({ checkpoint: "counter:frozen" });
   * await task.start();
   * ```
   * @throws {AlreadyExistsError} when the id is taken, or the file of its criu configuration
   * @throws {NotFoundError} when the checkpoint or its base image is not here
   * @throws {FailedPreconditionError} when something in it would silently be lost
   */
  async restore(
    id: string,
    checkpoint: CheckpointSource,
    options: readonly RestoreOption[] = [],
    call: RestoreCall = {},
  ): Promise<Container> {
    const [{ performRestore }] = await Promise.all([restoring(), beside()]);
    return performRestore(this.#services, id, checkpoint, options, call);
  }

  /**
   * Makes a checkpoint of an archive that Podman, CRI-O, containerd's CRI or the kubelet wrote, and registers it as an image; then
   * {@link Client.restore} thaws it. The base image is found by what the archive says of it. See `importArchive` of
   * `containerd-client/checkpoint` for what comes along, what is mended and what is refused.
   *
   * @param archive a file's path, the bytes, or what opens them.
   * @example
   * ```ts
   * const { leftOut } = await client.importArchive("counter:podman", "counter.tar.zst");
   * const container = await client.restore("counter", "counter:podman");
   * ```
   * @throws {FailedPreconditionError} when it holds something that cannot be carried
   * @throws {InvalidArgumentError} when it has a member that must not be there, or is no checkpoint
   * @throws {AlreadyExistsError} when the name stands for something else, unless `overwrite` is set
   * @throws {DataLossError} when it is damaged
   * @throws {ResourceExhaustedError} when a limit is passed
   */
  async importArchive(
    ref: string,
    archive: ArchiveSource | string,
    options: ImportCheckpointOptions = {},
  ): Promise<ImportedCheckpoint> {
    return (await checkpointArchives()).importCheckpoint(this.#services, ref, archive, options);
  }

  /**
   * Writes a checkpoint as the archive an engine restores from, such as `podman container restore --import`. The file appears under its
   * name when it is whole; only its owner may read it. See `exportArchive` of `containerd-client/checkpoint`, which yields the bytes.
   *
   * @example
   * ```ts
   * await client.exportArchive("counter:frozen", { engine: "podman", compression: "gzip", to: "counter.tar.gz" });
   * ```
   * @throws {FailedPreconditionError} when it holds no memory, or something the engine cannot restore
   * @throws {NotFoundError} when the checkpoint, or a part of it, is not here
   * @throws {NotImplementedError} when it is to be packed as this Node.js cannot
   * @throws {DataLossError} when content is damaged
   */
  async exportArchive(checkpoint: CheckpointSource, options: ExportCheckpointOptions): Promise<void> {
    await (await checkpointArchives()).exportCheckpoint(this.#services, checkpoint, options);
  }

  /**
   * Finds checkpoints and restores of the namespace whose process is gone, and resumes the tasks they had paused; where
   * daemon and kernel are of two minds about such a task, that is healed. What a living process has under way, and what
   * somebody else has paused, is left alone. What fails for one of them is told of that one, as `failed`, and keeps nothing from the
   * others. `containerd-client recover` does the same from a shell.
   *
   * @example
   * ```ts
   * for (const { containerId, pause } of await client.recover()) console.log(containerId, pause);
   * ```
   */
  async recover(options: RecoverOptions = {}): Promise<readonly RecoveredOperation[]> {
    return (await recovering()).recoverOperations(this.#services, options);
  }

  /**
   * Recovers, and removes what such operations left: leases, ingests, snapshots, dump directories, named pipes. Ends with a
   * garbage collection of the daemon. Nothing that this library did not make is touched.
   *
   * @example
   * ```ts
   * const { removed, onHost } = await client.sweep();
   * ```
   */
  async sweep(options: RecoverOptions = {}): Promise<SweepResult> {
    return (await sweeping()).sweepOperations(this.#services, options);
  }

  /**
   * Listens to what happens from now on: to the given topics, or to all those of {@link Events}. Nothing is sent before the
   * first item is asked for, and the daemon does not say when it listens; leaving the loop ends it.
   *
   * @example
   * ```ts
   * for await (const { payload } of client.events(["/tasks/exit"])) {
   *   console.log(payload.containerId, payload.exitStatus);
   * }
   * ```
   * @throws {UnavailableError} when the daemon goes away; events meanwhile are lost
   */
  async *events<T extends string = Topic>(
    topics: readonly T[] = [],
    options: EventsOptions = {},
  ): AsyncGenerator<EventOf<T>, void, undefined> {
    yield* (await events()).subscribe(this.#services.rpc, topics, options);
  }

  /**
   * Publishes an event in the namespace: plain data for a topic this library knows, an Any for others.
   *
   * @throws {InvalidArgumentError} when the topic is no path such as `/app/ready`
   */
  async publish<T extends string>(
    topic: T,
    payload: T extends Topic ? Events[T] | Any : Any,
    call: CallOptions = {},
  ): Promise<void> {
    await (await events()).publishEvent(this.#services.rpc, topic, payload, call);
  }

  /** A client in another namespace, over the same connection; only the client that was connected closes it. */
  inNamespace(namespace: string): Client {
    return new Client({ ...this.#options, namespace }, false);
  }

  /**
   * Closes the connection. Checkpoints and restores under way are called off and clean up first: no task stays frozen. Other
   * calls under way fail. Does nothing the second time.
   */
  async close(): Promise<void> {
    if (!this.#ownsTransport) return;
    const { transport } = this.#options;
    await callOffOperations(transport);
    await endThaws(transport);
    transport.close?.();
  }

  /** As {@link Client.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class NamespaceServices implements Services {
  readonly rpc: Rpc;
  readonly namespace: string;
  readonly local: boolean;
  readonly guardian: boolean;
  readonly localContent: boolean;
  readonly maxConcurrent: number;
  readonly content: Store;
  readonly leases: LeaseManager;
  readonly images: Images = new Images(this);
  readonly containers: Containers = new Containers(this);
  readonly diffs: Diffs = new Diffs(this);
  readonly introspection: Introspection;
  readonly #snapshots = new Map<string, Snapshots>();

  constructor(options: ClientOptions) {
    const {
      transport,
      namespace,
      guardian = true,
      localContent = true,
      maxConcurrent = DEFAULT_MAX_CONCURRENT,
    } = options;
    if (!(maxConcurrent >= 1) || (maxConcurrent !== Number.POSITIVE_INFINITY && !Number.isInteger(maxConcurrent))) {
      throw new InvalidArgumentError(
        `Cannot make a client with maxConcurrent ${maxConcurrent}: expected a whole number from 1`,
      );
    }
    this.guardian = guardian;
    this.localContent = localContent;
    this.maxConcurrent = maxConcurrent;
    this.rpc = new Rpc(transport, namespace);
    this.namespace = namespace;
    this.local = transport.local ?? false;
    const files = { root: async () => (await rooting()).visibleContent(this) };
    this.content = new RemoteStore(this.rpc, localContent ? files : undefined);
    this.leases = new RemoteLeases(this.rpc);
    this.introspection = new Introspection(this.rpc);
  }

  snapshots(snapshotter: string): Snapshots {
    const known = this.#snapshots.get(snapshotter) ?? new Snapshots(this, snapshotter);
    this.#snapshots.set(snapshotter, known);
    return known;
  }
}
