import { FailedPreconditionError } from "../../errors.js";
import type { Spec, SpecMount } from "../../oci/runtime-spec.js";
import { isBind, ordinaryTypes } from "./carried-mounts.js";
import type { DumpFacts, DumpMount } from "./dump-facts.js";
import type { ForeignSpecPolicy, ImportNotes } from "./policy.js";

/** What every engine keeps from being read, and what from being written, in containers nobody asked otherwise for. */
const usuallyMasked =
  "/proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /sys/firmware".split(
    " ",
  );
const usuallyReadonly = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split(" ");
const ofCri = /^io\.kubernetes\.cri(?:-o)?\./;

/**
 * Makes sure that the restored processes see and change no more of the kernel than others do. What the spec says is how the container
 * began; how it goes on, the dump's mounts say.
 *
 * @throws {FailedPreconditionError} when they would, and the policy does not allow it
 */
export function requireConfined(spec: Spec, dump: DumpFacts, policy: ForeignSpecPolicy, notes: ImportNotes): void {
  const { unmasked } = policy;
  const hidden = missingFrom(spec);
  // A CRI hides what its client says; the kubelet says it, others forget it, and both look alike afterwards.
  const isAsked = unmasked === undefined && isUnlisted(spec) && Object.keys(spec.annotations ?? {}).some(isOfCri);
  const exposed = new Set([
    ...(isAsked ? [] : [...hidden, ...missingFromDump(dump)]),
    ...(spec.mounts ?? []).filter(isWritableSysfs).map(({ destination }) => destination),
    ...dump.mounts.filter((mount) => exposes(mount, dump, policy)).map(({ path }) => path),
  ]);
  const isAllowed = (path: string) => (Array.isArray(unmasked) ? unmasked.includes(path) : unmasked === true);
  const refused = [...exposed].filter((path) => !isAllowed(path));
  if (refused.length > 0) {
    throw new FailedPreconditionError(
      `Cannot import the archive: its container could see or change what engines hide: ${refused.slice(0, 20).join(", ")}`,
      { hint: "Allow it with policy.unmasked, if you trust whoever made it." },
    );
  }
  for (const path of exposed) notes.expose("path", path, "engines hide it; the policy allows it");
  for (const path of isAsked ? hidden : []) notes.expose("path", path, "engines hide it; nobody asked the CRI to");
  if (spec.linux?.seccomp === undefined || !dump.hasSeccomp) {
    notes.expose("seccomp", "filter", "there is none: its processes may make every system call");
  }
}

function missingFrom({ linux = {} }: Spec): readonly string[] {
  const masked = new Set(linux.maskedPaths ?? []);
  const readonly = new Set([...masked, ...(linux.readonlyPaths ?? [])]);
  return [
    ...usuallyMasked.filter((path) => !masked.has(path)),
    ...usuallyReadonly.filter((path) => !readonly.has(path)),
  ];
}

/** Of the usual paths only this one is there on every host, so that there must be a mount for it. */
function missingFromDump({ mounts }: DumpFacts): readonly string[] {
  const isHidden = mounts.some(({ path, isReadOnly }) => isReadOnly && (path === "/proc" || path === "/proc/sys"));
  return isHidden || !mounts.some(({ path }) => path === "/proc") ? [] : ["/proc/sys"];
}

function isUnlisted({ linux = {} }: Spec): boolean {
  return (linux.maskedPaths ?? []).length === 0 && (linux.readonlyPaths ?? []).length === 0;
}

function isOfCri(annotation: string): boolean {
  return ofCri.test(annotation);
}

function isWritableSysfs(mount: SpecMount): boolean {
  const { type, options = [] } = mount;
  return type === "sysfs" && !isBind(mount) && options.lastIndexOf("ro") <= options.lastIndexOf("rw");
}

/** Whether a mount shows more than others have: of a filesystem of the kernel's, or of one that no container has. */
function exposes(mount: DumpMount, { mounts }: DumpFacts, policy: ForeignSpecPolicy): boolean {
  const { path, root, kinds, device, isExternal, isReadOnly } = mount;
  const ground = mounts.find((other) => other.path === "/");
  if (isExternal || Object.hasOwn(policy.mounts ?? {}, path)) return false;
  const isOfRoot = device === ground?.device && kinds.every((kind) => ground.kinds.includes(kind));
  if (isOfRoot && !kinds.includes("proc") && !kinds.includes("sysfs")) return false;
  if (kinds.some((kind) => !ordinaryTypes.has(kind))) return true;
  if (kinds.includes("sysfs")) return !isReadOnly;
  if (!kinds.includes("proc")) return false;
  if (path !== "/proc") return root === "/" || !isReadOnly;
  return mounts.some((other) => other !== mount && other.path === path);
}
