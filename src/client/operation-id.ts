import { randomBytes } from "node:crypto";

/** A new name for some work, and for its lease: what begins so is ours, and says what it is and since when. */
export function newOperationId(kind: string): string {
  return `containerd-client-${kind}-${Date.now().toString(36)}-${randomBytes(6).toString("hex")}`;
}
