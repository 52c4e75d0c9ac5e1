import { Namespaces as NamespacesService } from "../api/services/namespaces/v1/namespace_pb.js";
import type { CallOptions } from "../call-options.js";
import { NotFoundError } from "../errors.js";
import type { Labels } from "../oci/descriptor.js";
import type { Rpc } from "../rpc/rpc.js";
import { labelChanges, mapOf, present } from "./wire.js";

/**
 * One namespace of the daemon.
 *
 * @inline
 */
export interface Namespace {
  /** Its name. */
  readonly name: string;
  /** Its labels; `containerd.io/defaults/…` set defaults for what is made in it. */
  readonly labels: Labels;
}

/** The namespaces of the daemon, which keep its users' objects apart. Most come to be by being used. */
export class Namespaces {
  readonly #rpc: Rpc;

  /** @internal */
  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** Lists all namespaces. */
  async *list(call: CallOptions = {}): AsyncGenerator<Namespace, void, undefined> {
    const reply = await this.#rpc.unary(NamespacesService.method.list, {}, call);
    for (const { name, labels } of reply.namespaces) yield { name, labels: mapOf(labels) };
  }

  /**
   * Reads one namespace.
   *
   * @throws {NotFoundError} when there is none of that name
   */
  async get(name: string, call: CallOptions = {}): Promise<Namespace> {
    const reply = await this.#rpc.unary(NamespacesService.method.get, { name }, call);
    const labels = mapOf(present(reply.namespace, "a namespace").labels);
    // Daemons answer for names that nobody ever used, too; only the list tells.
    if (Object.keys(labels).length > 0) return { name, labels };
    for await (const namespace of this.list(call)) if (namespace.name === name) return namespace;
    throw new NotFoundError(`There is no namespace ${JSON.stringify(name)}`);
  }

  /**
   * Makes a namespace.
   *
   * @throws {AlreadyExistsError} when there is one of that name
   */
  async create(name: string, options: { readonly labels?: Labels | undefined } & CallOptions = {}): Promise<Namespace> {
    const input = { namespace: { name, labels: { ...options.labels } } };
    // Containerd 1.6 publishes the event in the caller's namespace, which has to be this one.
    const reply = await this.#rpc.inNamespace(name).unary(NamespacesService.method.create, input, options);
    return { name, labels: mapOf(present(reply.namespace, "a namespace").labels) };
  }

  /**
   * Sets labels of a namespace; `null` deletes one, all others stay.
   *
   * @throws {NotFoundError} when there is no such namespace
   */
  async setLabels(
    name: string,
    changes: Readonly<Record<string, string | null>>,
    call: CallOptions = {},
  ): Promise<void> {
    const { labels, paths } = labelChanges(changes);
    if (paths.length === 0) return;
    const input = { namespace: { name, labels }, updateMask: { paths } };
    await this.#rpc.inNamespace(name).unary(NamespacesService.method.update, input, call);
  }

  /**
   * Removes an empty namespace.
   *
   * @throws {FailedPreconditionError} when there is something in it
   * @throws {NotFoundError} when there is none of that name
   */
  async delete(name: string, call: CallOptions = {}): Promise<void> {
    await this.#rpc.inNamespace(name).unary(NamespacesService.method.delete, { name }, call);
  }
}
