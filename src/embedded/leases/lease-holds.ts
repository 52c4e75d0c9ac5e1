import { NotFoundError } from "../../errors.js";
import type { Daemon, Records, Resource } from "../daemon.js";
import type { LeaseResourceRecord } from "../metadata/record-kinds.js";

/** What the leases of a namespace hold. */
export class LeaseHolds {
  readonly #leases: { has(id: string): boolean };
  readonly #resources: Records<LeaseResourceRecord>;

  constructor(daemon: Pick<Daemon, "records">, namespace: string) {
    this.#leases = daemon.records(namespace, "leases");
    this.#resources = daemon.records(namespace, "leaseResources");
  }

  /** @throws {NotFoundError} when there is no such lease */
  add(lease: string, { type, id }: Resource): void {
    if (!this.#leases.has(lease)) throw new NotFoundError("lease does not exist: not found");
    const key = keyOf(lease, { type, id });
    if (!this.#resources.has(key)) this.#resources.set(key, { lease, type, id });
  }

  delete(lease: string, resource: Resource): void {
    this.#resources.delete(keyOf(lease, resource));
  }

  of(lease: string): Resource[] {
    return this.all()
      .filter((resource) => resource.lease === lease)
      .map(({ type, id }) => ({ type, id }));
  }

  /** What any lease holds. */
  all(): LeaseResourceRecord[] {
    return [...this.#resources.entries()].map(([, resource]) => resource);
  }

  /** Forgets all that a lease held. */
  clear(lease: string): void {
    for (const resource of this.of(lease)) this.delete(lease, resource);
  }
}

function keyOf(lease: string, { type, id }: Resource): string {
  return [lease, type, id].join("\0");
}
