import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Leases } from "../api/services/leases/v1/leases_pb.js";
import type { CallOptions } from "../call-options.js";
import { DataLossError, InternalError, InvalidArgumentError, isNotFound, NotFoundError } from "../errors.js";
import { recordedAt } from "../rpc/instant.js";
import type { Rpc } from "../rpc/rpc.js";
import type { Lease, LeaseManager, LeaseOptions, LeaseResource } from "./lease.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const DISPOSE_MS = 10_000;
const LATEST = Date.UTC(9999, 11, 31);
const EXPIRE = "containerd.io/gc.expire";

/** The leases of a daemon. */
export class RemoteLeases implements LeaseManager {
  readonly #rpc: Rpc;

  /** Works in the namespace of `rpc`. */
  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** @inheritDoc */
  async create(options: LeaseOptions = {}): Promise<Lease> {
    const { id = "", expiresInMs = DAY_MS, labels, ...call } = options;
    const expiresAt = expiry(expiresInMs);
    const reply = await this.#rpc.unary(Leases.method.create, { id, labels: { ...labels, [EXPIRE]: expiresAt } }, call);
    const made = reply.lease?.id ?? "";
    if (reply.lease === undefined || made === "")
      throw new InternalError("The daemon made a lease without saying which");
    if (id !== "" && made !== id)
      throw new DataLossError(`Asked for lease ${JSON.stringify(id)}, the daemon made ${JSON.stringify(made)}`);
    return this.#lease(reply.lease);
  }

  /** @inheritDoc */
  async get(id: string, call: CallOptions = {}): Promise<Lease> {
    // There is no call for one lease. Go reads the escapes that JSON writes.
    const { leases } = await this.#rpc.unary(Leases.method.list, { filters: [`id==${JSON.stringify(id)}`] }, call);
    const lease = leases.find((one) => one.id === id);
    if (lease === undefined) throw new NotFoundError(`lease ${JSON.stringify(id)}: not found`);
    return this.#lease(lease);
  }

  /** @inheritDoc */
  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Lease, void, undefined> {
    const { leases } = await this.#rpc.unary(Leases.method.list, { filters: [...filters] }, call);
    for (const lease of leases) yield this.#lease(lease);
  }

  /** @inheritDoc */
  async *resources(lease: Pick<Lease, "id">, call: CallOptions = {}): AsyncGenerator<LeaseResource, void, undefined> {
    const { resources } = await this.#rpc.unary(Leases.method.listResources, { id: lease.id }, call);
    for (const { id, type } of resources) yield { id, type };
  }

  /** @inheritDoc */
  async addResource(lease: Pick<Lease, "id">, resource: LeaseResource, call: CallOptions = {}): Promise<void> {
    await this.#rpc.unary(Leases.method.addResource, { id: lease.id, resource }, call);
  }

  /** @inheritDoc */
  async deleteResource(lease: Pick<Lease, "id">, resource: LeaseResource, call: CallOptions = {}): Promise<void> {
    await this.#rpc.unary(Leases.method.deleteResource, { id: lease.id, resource }, call);
  }

  /** @inheritDoc */
  async delete(lease: Pick<Lease, "id">, options: { readonly sync?: boolean } & CallOptions = {}): Promise<void> {
    const { sync = false, ...call } = options;
    await this.#rpc.unary(Leases.method.delete, { id: lease.id, sync }, call);
  }

  #lease(lease: {
    readonly id: string;
    readonly labels: Record<string, string>;
    readonly createdAt?: Timestamp | undefined;
  }): Lease {
    const { id, labels, createdAt } = lease;
    let disposed: Promise<void> | undefined;
    return {
      id,
      labels: Object.fromEntries(Object.entries(labels)),
      createdAt: recordedAt(createdAt),
      [Symbol.asyncDispose]: () => {
        disposed ??= this.#dispose(id).catch((reason: unknown) => {
          disposed = undefined;
          throw reason;
        });
        return disposed;
      },
    };
  }

  async #dispose(id: string): Promise<void> {
    try {
      await this.delete({ id }, { timeoutMs: DISPOSE_MS });
    } catch (reason) {
      if (!isNotFound(reason)) throw reason;
    }
  }
}

/** RFC 3339 to the second, as containerd's own client writes it; never before the time asked for. */
function expiry(inMs: number): string {
  const at = Math.ceil((Date.now() + inMs) / 1000) * 1000;
  if (!(inMs > 0) || !(at <= LATEST))
    throw new InvalidArgumentError(`Cannot create a lease that expires in ${inMs} ms`);
  return new Date(at).toISOString().replace(".000Z", "Z");
}
