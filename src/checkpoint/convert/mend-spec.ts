import { FailedPreconditionError } from "../../errors.js";
import type { Spec } from "../../oci/runtime-spec.js";
import { CRIU_CONFIG_ANNOTATION } from "../criu-config.js";
import { ordinaryCapabilities } from "./capabilities.js";
import { type BindFacts, type CarriedMount, carryMounts } from "./carried-mounts.js";
import { requireConfined } from "./confinement.js";
import type { DumpFacts } from "./dump-facts.js";
import { parseForeignSpec } from "./foreign-spec.js";
import { requireHidden } from "./hidden-place.js";
import { keysToMap, type MountKeys } from "./mount-keys.js";
import { mendNamespaces } from "./namespaces.js";
import { OWN_CRIU_CONFIG, ownSource } from "./own-place.js";
import type { ForeignSpecPolicy, ImportNotes } from "./policy.js";
import { restrainLinux, restrainProcess } from "./restraint.js";

/** A spec that containerd's runtime can restore from, and what must lie in its root filesystem for that. */
export interface MendedSpec {
  readonly spec: Spec;
  readonly carried: readonly CarriedMount[];
  /** Lines of criu's configuration; there is no file when there are none. */
  readonly criuLines: readonly string[];
  /** Kinds of namespaces that somebody else made, and that must be named anew. */
  readonly external: readonly string[];
}

const kept = new Set(["ociVersion", "process", "root", "hostname", "domainname", "mounts", "annotations", "linux"]);
const EMPTY = "empty";

/**
 * Makes of a spec that an engine wrote one for containerd: without what the policy does not allow, with what stands for things of
 * the old host.
 *
 * @throws {FailedPreconditionError} when something can neither be left out nor be allowed
 * @throws {InvalidArgumentError} when it is no spec
 */
export function mendSpec(
  document: Uint8Array,
  dump: DumpFacts,
  binds: BindFacts,
  policy: ForeignSpecPolicy,
  notes: ImportNotes,
): MendedSpec {
  const spec = parseForeignSpec(document);
  checkCapabilities(dump, policy);
  requireHidden(dump);
  requireConfined(spec, dump, policy, notes);
  for (const field of Object.keys(spec)) {
    if (kept.has(field) || (field === "hooks" && policy.hooks === true)) continue;
    notes.leave(field === "hooks" ? "hook" : "spec", field, "the policy does not allow it");
    delete spec[field];
  }
  restrainProcess(spec, policy, notes);
  restrainLinux(spec, policy, notes);
  spec.annotations = annotationsOf(spec, policy, notes);
  const external = mendNamespaces(spec, policy, notes);
  const { mounts, carried } = carryMounts(spec.mounts ?? [], binds, policy, notes);
  const keys = keysToMap(spec, dump, notes);
  spec.root = { path: "rootfs", ...(spec.root?.readonly === true ? { readonly: true } : {}) };
  spec.mounts = [...mounts, ...emptyDirectoryMounts(keys)];
  const criuLines = linesOf(keys, dump, notes);
  if (criuLines.length > 0) spec.annotations = { ...spec.annotations, [CRIU_CONFIG_ANNOTATION]: OWN_CRIU_CONFIG };
  const empty: readonly CarriedMount[] =
    keys.emptyDirectories.length === 0 ? [] : [{ name: EMPTY, type: "directory", mode: 0o755 }];
  return { spec, carried: [...carried, ...empty], criuLines, external };
}

function annotationsOf(spec: Spec, { annotations = false }: ForeignSpecPolicy, notes: ImportNotes) {
  const allowed = (name: string) => (typeof annotations === "boolean" ? annotations : annotations.includes(name));
  const all = Object.entries(spec.annotations ?? {});
  for (const [name] of all) if (!allowed(name)) notes.leave("annotation", name, "the policy does not allow it");
  return Object.fromEntries(all.filter(([name]) => allowed(name)));
}

/** Runtimes tell criu of each bind mount in the spec what stands for the key it was dumped with. */
function emptyDirectoryMounts({ emptyDirectories }: MountKeys) {
  return emptyDirectories.map((destination) => ({
    destination,
    type: "bind",
    source: ownSource(EMPTY),
    options: ["bind", "ro"],
  }));
}

function linesOf(keys: MountKeys, dump: DumpFacts, notes: ImportNotes): readonly string[] {
  const lines = keys.nullFiles.map((key) => `external mnt[${key}]:/dev/null`);
  if (keys.hasOtherRootMode) {
    lines.push("skip-file-rwx-check");
    notes.mend("root", "/", "its mode is 0755, as containerd makes it; criu does not compare modes");
  }
  if (dump.hasTcp) lines.push("tcp-established");
  if (dump.hasFileLocks) lines.push("file-locks");
  return lines;
}

/** criu gives processes what their dump says, whatever the spec does: so it is the dump that must be allowed. */
function checkCapabilities({ capabilities }: DumpFacts, policy: ForeignSpecPolicy): void {
  const more = [...capabilities.keys()].filter(
    (name) => !ordinaryCapabilities.has(name) && policy.capabilities?.includes(name) !== true,
  );
  if (more.length === 0) return;
  throw new FailedPreconditionError(
    `Cannot import the archive: its processes hold ${more.join(", ")}, which criu would give them again`,
    { hint: "Allow them with policy.capabilities, if you trust whoever made it." },
  );
}
