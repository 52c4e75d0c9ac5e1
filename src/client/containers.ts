import type { Any } from "@bufbuild/protobuf/wkt";
import {
  type Container as ContainerMessage,
  Containers as ContainersService,
} from "../api/services/containers/v1/containers_pb.js";
import type { CallOptions } from "../call-options.js";
import { InvalidArgumentError, isNotImplemented } from "../errors.js";
import type { Spec } from "../oci/runtime-spec.js";
import type { Container } from "./container.js";
import { type ContainerRecord, containerInit, containerRecord, type NewContainerRecord } from "./container-record.js";
import type { CreateContainerOptions } from "./create-container.js";
import { once } from "./once.js";
import type { Services } from "./services.js";
import { labelChanges, present, requireSame } from "./wire.js";

const held = once(() => import("./container.js"));
const creating = once(() => import("./create-container.js"));
const specs = once(() => import("./spec-any.js"));

/**
 * What to change about a container's record; the rest stays.
 *
 * @inline
 */
export interface ContainerChanges {
  /** Labels to set; `null` deletes one. */
  readonly labels?: Readonly<Record<string, string | null>> | undefined;
  /** The spec its next task is made with. */
  readonly spec?: Spec | undefined;
  /** Name of the image it counts as made from. */
  readonly image?: string | undefined;
  /** Key of the snapshot that is its root filesystem. */
  readonly snapshotKey?: string | undefined;
  /** Data of clients and plugins, by name; those not named stay. */
  readonly extensions?: Readonly<Record<string, Any>> | undefined;
}

/** The containers of one namespace. */
export class Containers {
  readonly #services: Services;

  /** @internal */
  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * Finds one container.
   *
   * @throws {NotFoundError} when there is none of that id
   */
  async get(id: string, call: CallOptions = {}): Promise<Container> {
    const record = await this.info(id, call);
    return this.#container(record.id);
  }

  /**
   * Reads one container's record.
   *
   * @throws {NotFoundError} when there is none of that id
   */
  async info(id: string, call: CallOptions = {}): Promise<ContainerRecord> {
    const reply = await this.#services.rpc.unary(ContainersService.method.get, { id }, call);
    return recordOf(id, reply.container);
  }

  /**
   * Lists containers, all of them or those that match one of the filters.
   *
   * @see https://github.com/containerd/containerd/blob/v2.1.4/pkg/filters/filter.go
   */
  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Container, void, undefined> {
    for await (const { id } of this.records(filters, call)) yield await this.#container(id);
  }

  /** Lists containers as {@link Containers.list} does, as what is recorded about them. */
  async *records(
    filters: readonly string[] = [],
    call: CallOptions = {},
  ): AsyncGenerator<ContainerRecord, void, undefined> {
    const { rpc } = this.#services;
    const input = { filters: [...filters] };
    try {
      for await (const { container } of rpc.serverStream(ContainersService.method.listStream, input, call)) {
        yield containerRecord(present(container, "a container"));
      }
      return;
    } catch (reason) {
      if (!isNotImplemented(reason)) throw reason;
    }
    const { containers } = await rpc.unary(ContainersService.method.list, input, call);
    for (const container of containers) yield containerRecord(container);
  }

  /**
   * Makes a container from an image: unpacks the image where that is needed, prepares the snapshot, writes the spec. All of
   * it, or nothing.
   *
   * @example
   * ```ts
   * const container = await client.containers.create("counter", { image: "docker.io/library/busybox:latest" });
   * ```
   * @throws {AlreadyExistsError} when the id is taken
   * @throws {NotFoundError} when there is no such image
   * @throws {InvalidArgumentError} when the id or a label cannot be
   */
  async create(id: string, options: CreateContainerOptions, call: CallOptions = {}): Promise<Container> {
    return (await creating()).createContainer(this.#services, id, options, call);
  }

  /**
   * Writes a container's record, and makes nothing that it names: {@link Containers.create} does.
   *
   * @throws {AlreadyExistsError} when the id is taken
   * @throws {InvalidArgumentError} when the record cannot be
   */
  async register(record: NewContainerRecord, call: CallOptions = {}): Promise<Container> {
    // Before the call: what it makes would be there although the call fails.
    const { Container } = await held();
    const input = { container: containerInit(record) };
    const reply = await this.#services.rpc.unary(ContainersService.method.create, input, call);
    return new Container(this.#services, recordOf(record.id, reply.container).id);
  }

  /**
   * Changes a container's record.
   *
   * @throws {NotFoundError} when there is none of that id
   * @throws {InvalidArgumentError} when nothing is to be changed
   */
  async update(id: string, changes: ContainerChanges, call: CallOptions = {}): Promise<ContainerRecord> {
    const { labels, paths } = labelChanges(changes.labels ?? {});
    const { spec, image, snapshotKey, extensions = {} } = changes;
    if (spec !== undefined) paths.push("spec");
    if (image !== undefined) paths.push("image");
    if (snapshotKey !== undefined) paths.push("snapshotkey");
    paths.push(...Object.keys(extensions).map((key) => `extensions.${key}`));
    if (paths.length === 0) throw new InvalidArgumentError(`Cannot update container ${id}: no change is named`);
    const container = {
      id,
      labels,
      extensions: { ...extensions },
      ...(spec === undefined ? {} : { spec: (await specs()).packSpec(spec) }),
      ...(image === undefined ? {} : { image }),
      ...(snapshotKey === undefined ? {} : { snapshotKey }),
    };
    const reply = await this.#services.rpc.unary(
      ContainersService.method.update,
      { container, updateMask: { paths } },
      call,
    );
    return recordOf(id, reply.container);
  }

  /**
   * Removes a container's record, as `container.delete()` does, with the same refusals.
   *
   * @throws {FailedPreconditionError} when it still has a task
   * @throws {NotFoundError} when there is none of that id
   */
  async delete(id: string, options: { readonly snapshot?: boolean | undefined } & CallOptions = {}): Promise<void> {
    const container = await this.#container(id);
    await container.delete(options);
  }

  async #container(id: string): Promise<Container> {
    const { Container } = await held();
    return new Container(this.#services, id);
  }
}

function recordOf(id: string, message: ContainerMessage | undefined): ContainerRecord {
  const record = containerRecord(present(message, "a container"));
  requireSame(record.id, id, "container");
  return record;
}
