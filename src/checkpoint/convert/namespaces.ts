import { FailedPreconditionError } from "../../errors.js";
import type { NamespaceKind, Spec } from "../../oci/runtime-spec.js";
import type { ForeignSpecPolicy, ImportNotes } from "./policy.js";

const needed: readonly NamespaceKind[] = ["mount", "pid", "ipc", "uts", "network"];
/** Of these a dump holds nothing where they were somebody else's: they must be there when it is restored. */
const neverDumped: ReadonlySet<NamespaceKind> = new Set(["network", "pid"]);

/**
 * Lets go of namespaces of the old host. Returns the kinds of those the dump has nothing of: they must be named anew.
 *
 * @throws {FailedPreconditionError} when there is a user namespace, or the container was in one of the host's
 */
export function mendNamespaces(
  spec: Spec,
  { hostNamespaces = [] }: ForeignSpecPolicy,
  notes: ImportNotes,
): readonly NamespaceKind[] {
  const namespaces = spec.linux?.namespaces ?? [];
  if (namespaces.some(({ type }) => type === "user") || (spec.linux?.uidMappings ?? []).length > 0) {
    throw new FailedPreconditionError("Cannot import the archive: its container had a user namespace", {
      hint: "criu restores none that a runtime did not make; owners of files would be wrong, too.",
    });
  }
  const missing = needed.filter(
    (kind) => !namespaces.some(({ type }) => type === kind) && !hostNamespaces.includes(kind),
  );
  if (missing.length > 0) {
    throw new FailedPreconditionError(
      `Cannot import the archive: its container had the host's own ${missing.join(", ")} namespace`,
      { hint: "Allow it with policy.hostNamespaces, if you trust whoever made it." },
    );
  }
  const external: NamespaceKind[] = [];
  for (const namespace of namespaces) {
    if (namespace.path === undefined || namespace.path === "") continue;
    const { type } = namespace;
    delete namespace.path;
    if (neverDumped.has(type)) external.push(type);
    else notes.mend("namespace", type, "it was shared with others; it is the container's own");
  }
  for (const type of external) {
    notes.leave("namespace", type, "it was somebody else's and is not in the dump: name another one at restore");
  }
  return external;
}
