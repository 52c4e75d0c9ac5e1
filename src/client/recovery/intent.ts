import type { LeaseResource } from "../../leases/lease.js";

/**
 * What an operation has in hand that must not be lost should its process die. Labels of a lease cannot be changed, but
 * what it holds can; the names of ingests are free, and that there is no such ingest does no harm.
 */
export type Intent =
  /** The task of that process is paused by the operation, or about to be, until then at most. */
  | { readonly kind: "paused"; readonly pid: number; readonly untilAt: Date }
  /** criu ends the task of that process: its memory is in what the lease keeps, and nowhere else. */
  | { readonly kind: "ended"; readonly pid: number }
  /** Nobody works at it any more, whatever can be seen of its process: that could not resume the task, or somebody has seen it dead. */
  | { readonly kind: "given-up"; readonly pid: number }
  /** The memory of that process goes through the daemon's temporary directory. */
  | { readonly kind: "temporary"; readonly pid: number };

const PREFIX = "containerd-client-intent";

/** The entry of the lease that says so. */
export function intentResource(intent: Intent): LeaseResource {
  const until = intent.kind === "paused" ? `/${intent.untilAt.getTime()}` : "";
  return { type: "ingests", id: `${PREFIX}/${intent.kind}/${intent.pid}${until}` };
}

/** What an entry of a lease says; `undefined` when it is an ordinary one. */
export function parseIntent({ type, id }: LeaseResource): Intent | undefined {
  const [prefix, kind, pid, until] = id.split("/");
  if (type !== "ingests" || prefix !== PREFIX) return undefined;
  if (kind === "ended" || kind === "temporary" || kind === "given-up") return { kind, pid: Number(pid) };
  if (kind === "paused") return { kind, pid: Number(pid), untilAt: new Date(Number(until)) };
  return undefined;
}
