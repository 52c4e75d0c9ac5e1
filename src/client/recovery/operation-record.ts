import type { Lease } from "../../leases/lease.js";
import { fateOf, type Owner, parseOwner } from "./owner.js";

/** Labels of the leases of an operation: of the one that keeps what it makes, and of its locks. */
export const OperationLabel = {
  /** What it is: `checkpoint`, `restore`, `create`. */
  kind: "containerd-client.operation",
  /** Its id, unlike any other's. */
  id: "containerd-client.operation.id",
  /** The id its caller gave it, to be able to repeat it. */
  callerId: "containerd-client.operation.caller-id",
  /** The container it is about. */
  container: "containerd-client.operation.container",
  /** The image it is to make. */
  ref: "containerd-client.operation.ref",
  /** A file it may make on the daemon's machine. */
  file: "containerd-client.operation.file",
  /** A file it writes on its own machine. */
  partial: "containerd-client.operation.partial",
  /** On an image: the process of the task that is to end when the image is there. */
  ends: "containerd-client.operation.ends",
  /** Who runs it. */
  owner: "containerd-client.operation.owner",
  /** When it must be over, whoever runs it. */
  deadline: "containerd-client.operation.deadline",
} as const;

/** What the leases of an operation say about it. */
export interface OperationRecord {
  readonly id: string;
  readonly kind: string;
  readonly callerId?: string | undefined;
  /** Empty when it is about none. */
  readonly containerId: string;
  readonly ref?: string | undefined;
  readonly file?: string | undefined;
  readonly partial?: string | undefined;
  readonly owner?: Owner | undefined;
  readonly startedAt: Date;
  readonly deadlineAt: Date;
}

/** The labels that say so. */
export function operationLabels(record: OperationRecord): Record<string, string> {
  const { callerId, ref, file, partial, owner } = record;
  return {
    [OperationLabel.kind]: record.kind,
    [OperationLabel.id]: record.id,
    ...(record.containerId === "" ? {} : { [OperationLabel.container]: record.containerId }),
    [OperationLabel.deadline]: record.deadlineAt.toISOString(),
    ...(owner === undefined ? {} : { [OperationLabel.owner]: JSON.stringify(owner) }),
    ...(callerId === undefined ? {} : { [OperationLabel.callerId]: callerId }),
    ...(ref === undefined ? {} : { [OperationLabel.ref]: ref }),
    ...(file === undefined ? {} : { [OperationLabel.file]: file }),
    ...(partial === undefined ? {} : { [OperationLabel.partial]: partial }),
  };
}

/** What a lease says about the operation it belongs to; `undefined` when it belongs to none. */
export function operationOf({ labels, createdAt }: Lease): OperationRecord | undefined {
  const { [OperationLabel.kind]: kind, [OperationLabel.id]: id } = labels;
  if (kind === undefined || id === undefined) return undefined;
  const deadline = Date.parse(labels[OperationLabel.deadline] ?? "");
  return {
    id,
    kind,
    callerId: labels[OperationLabel.callerId],
    containerId: labels[OperationLabel.container] ?? "",
    ref: labels[OperationLabel.ref],
    file: labels[OperationLabel.file],
    partial: labels[OperationLabel.partial],
    owner: parseOwner(labels[OperationLabel.owner]),
    startedAt: createdAt,
    deadlineAt: Number.isNaN(deadline) ? createdAt : new Date(deadline),
  };
}

/** Whether nobody works at it any more: its process is gone, or cannot be seen from here and its time is over. */
export function isAbandoned(record: OperationRecord, now: number = Date.now()): boolean {
  if (isOutOfSight(record)) return record.deadlineAt.getTime() < now;
  return record.owner !== undefined && fateOf(record.owner, record.id) === "dead";
}

/** Whether it cannot be told from here if its process lives. */
export function isOutOfSight({ owner, id }: OperationRecord): boolean {
  return owner === undefined || fateOf(owner, id) === "unknown";
}
