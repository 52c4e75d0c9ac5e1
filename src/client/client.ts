import type { Any } from "@bufbuild/protobuf/wkt";
import { Version } from "../api/services/version/v1/version_pb.js";
import type { CallOptions } from "../call-options.js";
import type { RestoreOption } from "../checkpoint/restore-plan.js";
import { RemoteStore } from "../content/remote.js";
import type { Store } from "../content/store.js";
import type { LeaseManager } from "../leases/lease.js";
import { RemoteLeases } from "../leases/remote.js";
import { Rpc } from "../rpc/rpc.js";
import type { Transport } from "../rpc/transport.js";
import type { Container } from "./container.js";
import { Containers } from "./containers.js";
import { Diffs } from "./diffs.js";
import type { Events, Topic } from "./event-topics.js";
import { type EventOf, type EventsOptions, publishEvent, subscribe } from "./events.js";
import { Images } from "./images.js";
import { Introspection } from "./introspection.js";
import { Namespaces } from "./namespaces.js";
import { callOffOperations } from "./operation.js";
import { type CheckpointSource, performRestore, type RestoreCall } from "./restoring.js";
import type { Services } from "./services.js";
import { Snapshots } from "./snapshots.js";
import { endThaws } from "./thawing.js";

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
  readonly #transport: Transport;
  readonly #ownsTransport: boolean;

  /**
   * Makes a client over a transport of the caller's.
   *
   * @example
   * ```ts
   * const client = new Client({ transport: unixTransport("/run/containerd/containerd.sock"), namespace: "default" });
   * ```
   */
  constructor(options: ClientOptions);
  /** @internal */
  constructor(options: ClientOptions, ownsTransport: boolean);
  constructor({ transport, namespace }: ClientOptions, ownsTransport = true) {
    const services = new NamespaceServices(transport, namespace);
    this.#services = services;
    this.#transport = transport;
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
   * @throws {AlreadyExistsError} when the id is taken
   * @throws {NotFoundError} when the checkpoint or its base image is not here
   * @throws {FailedPreconditionError} when something in it would silently be lost
   */
  restore(
    id: string,
    checkpoint: CheckpointSource,
    options: readonly RestoreOption[] = [],
    call: RestoreCall = {},
  ): Promise<Container> {
    return performRestore(this.#services, id, checkpoint, options, call);
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
  events<T extends string = Topic>(
    topics: readonly T[] = [],
    options: EventsOptions = {},
  ): AsyncGenerator<EventOf<T>, void, undefined> {
    return subscribe(this.#services.rpc, topics, options);
  }

  /**
   * Publishes an event in the namespace: plain data for a topic this library knows, an Any for others.
   *
   * @throws {InvalidArgumentError} when the topic is no path such as `/app/ready`
   */
  publish<T extends string>(
    topic: T,
    payload: T extends Topic ? Events[T] | Any : Any,
    call: CallOptions = {},
  ): Promise<void> {
    return publishEvent(this.#services.rpc, topic, payload, call);
  }

  /** A client in another namespace, over the same connection; only the client that was connected closes it. */
  inNamespace(namespace: string): Client {
    return new Client({ transport: this.#transport, namespace }, false);
  }

  /**
   * Closes the connection. Checkpoints and restores under way are called off and clean up first: no task stays frozen. Other
   * calls under way fail. Does nothing the second time.
   */
  async close(): Promise<void> {
    if (!this.#ownsTransport) return;
    await callOffOperations(this.#transport);
    await endThaws(this.#transport);
    this.#transport.close?.();
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
  readonly content: Store;
  readonly leases: LeaseManager;
  readonly images: Images = new Images(this);
  readonly containers: Containers = new Containers(this);
  readonly diffs: Diffs = new Diffs(this);
  readonly introspection: Introspection;
  readonly #snapshots = new Map<string, Snapshots>();

  constructor(transport: Transport, namespace: string) {
    this.rpc = new Rpc(transport, namespace);
    this.namespace = namespace;
    this.local = transport.local ?? false;
    this.content = new RemoteStore(this.rpc);
    this.leases = new RemoteLeases(this.rpc);
    this.introspection = new Introspection(this.rpc);
  }

  snapshots(snapshotter: string): Snapshots {
    const known = this.#snapshots.get(snapshotter) ?? new Snapshots(this, snapshotter);
    this.#snapshots.set(snapshotter, known);
    return known;
  }
}
