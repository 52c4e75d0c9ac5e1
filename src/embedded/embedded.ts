import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Containers } from "../api/services/containers/v1/containers_pb.js";
import { Content } from "../api/services/content/v1/content_pb.js";
import { Diff } from "../api/services/diff/v1/diff_pb.js";
import { Events } from "../api/services/events/v1/events_pb.js";
import { Images } from "../api/services/images/v1/images_pb.js";
import { Introspection } from "../api/services/introspection/v1/introspection_pb.js";
import { Leases } from "../api/services/leases/v1/leases_pb.js";
import { Namespaces } from "../api/services/namespaces/v1/namespace_pb.js";
import { Snapshots } from "../api/services/snapshots/v1/snapshots_pb.js";
import { Tasks } from "../api/services/tasks/v1/tasks_pb.js";
import { Version } from "../api/services/version/v1/version_pb.js";
import { Claims } from "../content/layout/claims.js";
import { during, isFileError } from "../content/layout/file-errors.js";
import { FailedPreconditionError, InvalidArgumentError, UnavailableError } from "../errors.js";
import { type Listener, listen } from "../rpc/listen.js";
import { type Route, route, routerTransport } from "../rpc/router.js";
import type { Transport } from "../rpc/transport.js";
import { containersService } from "./containers/containers-service.js";
import { contentService } from "./content/content-service.js";
import { FileBytes } from "./content/file-bytes.js";
import { MemoryBytes } from "./content/memory-bytes.js";
import { diffService } from "./diff/diff-service.js";
import { eventsService } from "./events/events-service.js";
import { imagesService } from "./images/images-service.js";
import { introspectionService } from "./introspection/introspection-service.js";
import { contentRoot } from "./introspection/plugins.js";
import { leasesService } from "./leases/leases-service.js";
import { type DaemonPlaces, LocalDaemon } from "./local-daemon.js";
import { RecordFiles } from "./metadata/record-files.js";
import { writeWhole } from "./metadata/whole-file.js";
import { namespacesService } from "./namespaces/namespaces-service.js";
import type { Runtime } from "./runtime/runtime.js";
import type { Programs } from "./runtime/simulated/program.js";
import { simulatedRuntime } from "./runtime/simulated/simulated.js";
import { snapshotsService } from "./snapshots/snapshots-service.js";
import { tasksService } from "./tasks/tasks.js";
import { versionService } from "./version.js";

/** What an embedded containerd is made with. */
export interface EmbeddedOptions {
  /**
   * A directory for all it keeps, made when it is not there. Default: memory, and all is gone with it. On Linux, for uid 0,
   * snapshots in it are directories that can be mounted; for anybody else only this containerd can look into them.
   */
  readonly root?: string | undefined;
  /** What runs its containers, and ends with it. Default: programs in this process, which are no containers and need nothing. */
  readonly runtime?: Runtime | undefined;
  /** Programs beside the built-in ones for the default runtime to run, by the name of their file. */
  readonly programs?: Programs | undefined;
}

/** A containerd in this process. */
export interface Embedded extends AsyncDisposable {
  /** How a client in this process reaches it; clients may come and go, and close it as often as they like. */
  readonly transport: Transport;
  /**
   * Listens on a unix socket for programs of this machine, such as `ctr`: gRPC over HTTP/2 without encryption, only for this
   * user. A socket nobody listens on any more is replaced.
   *
   * @throws {InvalidArgumentError} when the path is empty or too long for a socket
   * @throws {AlreadyExistsError} when somebody listens there, or it is no socket
   */
  listen(path: string): Promise<void>;
  /** Ends all calls, tasks and sockets. What is in a directory stays there. Closing it again does nothing. */
  close(): Promise<void>;
}

/**
 * Starts a containerd in this process: in memory, or on a directory that outlives it. It needs no root and runs on any
 * operating system.
 *
 * Where a client can tell it behaves as containerd 2.1 does, in its very words, but for this. It pulls and pushes nothing, and has
 * no services for transfer, streaming, sandboxes and health, so `ctr` of containerd 2 needs `--local` for images. A listener that is 10 000
 * events behind loses them and is told so, where a daemon would grow. Patterns in filters are JavaScript's, and what is wrong
 * with a filter is said in other words. An ingest that counts on another namespace's bytes is locked like any other. Extensions of a container
 * that an update leaves out are gone. Garbage is collected when a call asks for it, after every hundred changes among which
 * was a deletion, and at the start; there is nothing to configure.
 *
 * @example
 * ```ts
 * await using containerd = await createEmbedded();
 * const client = await connect({ transport: containerd.transport });
 * ```
 * @throws {FailedPreconditionError} when another process has the root
 * @throws {DataLossError} when what is in the root cannot be read
 * @throws {PermissionDeniedError} when it may not be written to; as whatever else the operating system says of it
 * @throws {InvalidArgumentError} when both `runtime` and `programs` are given
 */
export async function createEmbedded(options: EmbeddedOptions = {}): Promise<Embedded> {
  const { programs, runtime = simulatedRuntime(programs) } = options;
  if (options.runtime !== undefined && programs !== undefined) {
    throw new InvalidArgumentError("Cannot use both runtime and programs: programs are for the simulated runtime");
  }
  const root = options.root === undefined ? undefined : resolve(options.root);
  return during(`start a containerd${root === undefined ? "" : ` on ${root}`}`, () => start(root, runtime));
}

async function start(root: string | undefined, runtime: Runtime): Promise<Embedded> {
  const lock = root === undefined ? undefined : await lockRoot(root);
  try {
    const daemon = new LocalDaemon(placesIn(root));
    const { stateDirectory } = daemon;
    if (stateDirectory.left !== undefined) await runtime.recover(stateDirectory.left);
    await stateDirectory.remove();
    await daemon.snapshots.clean();
    return new EmbeddedDaemon(daemon, { runtime, lock, routes: routesOf(daemon, runtime, identify(root)) });
  } catch (reason) {
    await lock?.[Symbol.asyncDispose]();
    throw reason;
  }
}

interface EmbeddedParts {
  readonly routes: readonly Route[];
  readonly runtime: Runtime;
  /** Keeps others from the root. */
  readonly lock: AsyncDisposable | undefined;
}

class EmbeddedDaemon implements Embedded {
  readonly transport: Transport;
  readonly #daemon: LocalDaemon;
  readonly #parts: EmbeddedParts;
  readonly #listeners: Promise<Listener>[] = [];
  #closing: Promise<void> | undefined;

  constructor(daemon: LocalDaemon, parts: EmbeddedParts) {
    this.#daemon = daemon;
    this.#parts = parts;
    // Without a `close`: it ends with the daemon, not with a client.
    this.transport = { ...routerTransport(parts.routes, daemon.signal), local: true };
  }

  async listen(path: string): Promise<void> {
    if (this.#daemon.signal.aborted) throw new UnavailableError(`Cannot listen on ${path}: the containerd was closed`);
    const listener = listen(path, this.#parts.routes, this.#daemon.signal);
    this.#listeners.push(listener);
    await listener;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { runtime, lock } = this.#parts;
    this.#daemon.end();
    const ended = await Promise.allSettled([
      runtime.close(),
      // One that could not listen has told so.
      ...this.#listeners.map((listening) =>
        listening.then(
          (listener) => listener.close(),
          () => {},
        ),
      ),
    ]);
    try {
      await this.#daemon.stateDirectory.remove();
    } finally {
      await lock?.[Symbol.asyncDispose]();
    }
    for (const one of ended) if (one.status === "rejected") throw one.reason;
  }
}

function routesOf(daemon: LocalDaemon, runtime: Runtime, uuid: string): Route[] {
  return [
    route(Containers, containersService(daemon)),
    route(Content, contentService(daemon)),
    route(Diff, diffService(daemon)),
    route(Events, eventsService(daemon.exchange)),
    route(Images, imagesService(daemon)),
    route(Introspection, introspectionService(daemon, runtime, uuid)),
    route(Leases, leasesService(daemon)),
    route(Namespaces, namespacesService(daemon)),
    route(Snapshots, snapshotsService(daemon, daemon.snapshots)),
    route(Tasks, tasksService(daemon, runtime)),
    route(Version, versionService()),
  ];
}

/** One root is for one process at a time. */
async function lockRoot(root: string): Promise<AsyncDisposable> {
  const directory = join(root, "lock");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const claim = await new Claims(directory).take("root", () => {});
  if (Symbol.asyncDispose in claim) return claim;
  throw new FailedPreconditionError(`Cannot open ${root}: somebody has it since ${claim.heldAt.toISOString()}`, {
    hint: "One root is for one embedded containerd at a time; others reach it through a socket it listens on.",
  });
}

function placesIn(root: string | undefined): DaemonPlaces {
  if (root === undefined) return { root, records: undefined, bytes: new MemoryBytes() };
  return {
    root,
    records: new RecordFiles(join(root, "io.containerd.metadata.v1.records")),
    bytes: new FileBytes(contentRoot(root)),
  };
}

/** The id of the installation: the same as long as the root is. */
function identify(root: string | undefined): string {
  if (root === undefined) return randomUUID();
  const path = join(root, "uuid");
  try {
    return readFileSync(path, "utf8");
  } catch (reason) {
    if (!isFileError(reason, "ENOENT")) throw reason;
    const uuid = randomUUID();
    writeWhole(path, Buffer.from(uuid), { temporary: `${path}.new` });
    return uuid;
  }
}
