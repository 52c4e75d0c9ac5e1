import { CheckpointAnnotation } from "../checkpoint/annotations.js";
import { type Checkpoint, checkpointName } from "../checkpoint/document.js";
import type { RestorePlan } from "../checkpoint/restore-plan.js";
import { FailedPreconditionError } from "../errors.js";
import type { Spec } from "../oci/runtime-spec.js";

/** Namespaces of others, of which the dump has nothing, must be named: criu fails without. */
export function requireNamespaces(checkpoint: Checkpoint, spec: Spec, plan: RestorePlan): void {
  const external = checkpoint.annotations[CheckpointAnnotation.externalNamespaces]?.split(",") ?? [];
  if (external.length === 0 || plan.spec === false) return;
  const edited = structuredClone(spec);
  for (const edit of plan.specEdits) edit(edited);
  const namespaces = edited.linux?.namespaces ?? [];
  const missing = external.filter((kind) => !namespaces.some(({ type, path }) => type === kind && (path ?? "") !== ""));
  if (missing.length === 0) return;
  throw new FailedPreconditionError(
    `Cannot restore ${checkpointName(checkpoint)}: its ${missing.join(" and ")} namespace was somebody else's, and is not in the dump`,
    { hint: "Name one on the daemon's host: withRestoreSpecEdit(withNamespacePath(kind, path))." },
  );
}
