import type { CallOptions } from "../call-options.js";

/**
 * Keeps content, ingests and snapshots from the garbage collector while it lasts. Disposing deletes it, also when the signal of
 * the call that made it was aborted; what it alone held goes with the next collection. Disposing it again does nothing.
 */
export interface Lease extends AsyncDisposable {
  /** Names the lease in every call that shall be covered by it. */
  readonly id: string;
  /** Its labels. `containerd.io/gc.expire` says when it ends by itself. */
  readonly labels: Readonly<Record<string, string>>;
  /** When it was created, by the daemon's clock. */
  readonly createdAt: Date;
}

/** Something a lease holds. */
export interface LeaseResource {
  /** `content`, `ingests`, `snapshots/<snapshotter>`, and from containerd 2 on `images`. */
  readonly type: string;
  /** A digest, an ingest ref, an image name, or a snapshot key. */
  readonly id: string;
}

/** What a new lease may be given. */
export interface LeaseOptions extends CallOptions {
  /** Default: one the daemon makes up. */
  readonly id?: string | undefined;
  /**
   * Milliseconds until the daemon may collect it even if nobody deletes it, rounded up to whole seconds. Default: 24 hours, as
   * containerd's own client. An expired lease goes with the next collection, not on the stroke.
   */
  readonly expiresInMs?: number | undefined;
  /** Labels beside the expiry. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** The daemon's leases in one namespace. */
export interface LeaseManager {
  /**
   * Creates a lease. Passed as `lease` to other calls it holds what they make.
   *
   * @example
   * ```ts
   * await using lease = await client.leases.create();
   * const descriptor = await writeBlob(client.content, bytes, { mediaType }, { lease });
   * ```
   * @throws {AlreadyExistsError} when the id is taken
   * @throws {InvalidArgumentError} when `expiresInMs` is not above 0 or ends beyond the year 9999
   */
  create(options?: LeaseOptions): Promise<Lease>;
  /**
   * Gets a lease by its id.
   *
   * @throws {NotFoundError} when there is no such lease
   */
  get(id: string, call?: CallOptions): Promise<Lease>;
  /**
   * Yields the leases that match one of the filters, or all. Fields are `id` and `labels`.
   *
   * @throws {InvalidArgumentError} when a filter cannot be parsed
   */
  list(filters?: readonly string[], call?: CallOptions): AsyncIterable<Lease>;
  /**
   * Yields what a lease holds.
   *
   * @throws {NotFoundError} when there is no such lease
   */
  resources(lease: Pick<Lease, "id">, call?: CallOptions): AsyncIterable<LeaseResource>;
  /**
   * Puts something under a lease; doing it twice does no harm. Whether it exists is not looked at.
   *
   * @throws {NotFoundError} when there is no such lease
   * @throws {NotImplementedError} when nothing of that type can be held
   * @throws {InvalidArgumentError} when type or id are malformed
   */
  addResource(lease: Pick<Lease, "id">, resource: LeaseResource, call?: CallOptions): Promise<void>;
  /**
   * Takes something from under a lease; that it is not there does no harm.
   *
   * @throws {NotFoundError} when there is no such lease
   */
  deleteResource(lease: Pick<Lease, "id">, resource: LeaseResource, call?: CallOptions): Promise<void>;
  /**
   * Deletes a lease. With `sync` the garbage is collected before the call returns.
   *
   * @throws {NotFoundError} when there is no such lease
   */
  delete(lease: Pick<Lease, "id">, options?: { readonly sync?: boolean } & CallOptions): Promise<void>;
}
