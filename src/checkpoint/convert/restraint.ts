import type { Spec, SpecCapabilities } from "../../oci/runtime-spec.js";
import { ordinaryCapabilities } from "./capabilities.js";
import type { ForeignSpecPolicy, ImportNotes } from "./policy.js";

const processFields = new Set(
  "terminal consoleSize user args env cwd capabilities rlimits noNewPrivileges oomScoreAdj".split(" "),
);
const linuxFields = new Set(
  "namespaces resources cgroupsPath maskedPaths readonlyPaths sysctl seccomp devices uidMappings gidMappings".split(
    " ",
  ),
);
const resourceFields = new Set(["memory", "cpu", "pids", "devices"]);
const sets = ["bounding", "effective", "inheritable", "permitted", "ambient"] as const;
/** Parameters that each container has for itself. */
const ownParameters = /^(?:net\..+|kernel\.(?:shm.*|msg.*|sem|domainname|hostname)|fs\.mqueue\..+)$/;

/** Leaves out of a spec's process what the policy does not allow. */
export function restrainProcess({ process }: Spec, policy: ForeignSpecPolicy, notes: ImportNotes): void {
  if (process === undefined) return;
  for (const field of Object.keys(process)) {
    if (processFields.has(field)) continue;
    notes.leave("process", field, "it belongs to the old host");
    delete process[field];
  }
  process.capabilities = capabilitiesOf(process.capabilities ?? {}, policy, notes);
  // Without the right to, nobody can be made less likely to be killed than others.
  if ((process.oomScoreAdj ?? 0) < 0) {
    notes.leave("process", "oomScoreAdj", "it is below 0");
    delete process.oomScoreAdj;
  }
}

function capabilitiesOf(from: SpecCapabilities, policy: ForeignSpecPolicy, notes: ImportNotes): SpecCapabilities {
  const allowed = (name: string) => ordinaryCapabilities.has(name) || policy.capabilities?.includes(name) === true;
  const lists = sets.map((set) => [set, from[set] ?? []] as const);
  for (const name of new Set(lists.flatMap(([, list]) => list))) {
    if (!allowed(name)) notes.leave("capability", name, "the policy does not allow it");
  }
  return Object.fromEntries(lists.map(([set, list]) => [set, list.filter(allowed)]));
}

/** Leaves out of what only Linux has what the policy does not allow. */
export function restrainLinux({ linux }: Spec, policy: ForeignSpecPolicy, notes: ImportNotes): void {
  if (linux === undefined) return;
  for (const field of Object.keys(linux)) {
    if (linuxFields.has(field)) continue;
    notes.leave("linux", field, "it belongs to the old host");
    delete linux[field];
  }
  for (const name of Object.keys(linux.sysctl ?? {})) {
    if (ownParameters.test(name)) continue;
    notes.leave("sysctl", name, "it is not the container's own");
    delete linux.sysctl?.[name];
  }
  delete linux.cgroupsPath;
  restrainSeccomp(linux, policy, notes);
  if (policy.devices !== true) restrainDevices(linux, notes);
  const { resources = {} } = linux;
  for (const field of Object.keys(resources)) {
    if (resourceFields.has(field)) continue;
    notes.leave("resources", field, "it belongs to the old host");
    delete resources[field];
  }
}

function restrainSeccomp({ seccomp }: NonNullable<Spec["linux"]>, policy: ForeignSpecPolicy, notes: ImportNotes): void {
  if (seccomp === undefined || policy.seccomp === true) return;
  for (const field of ["listenerPath", "listenerMetadata"]) {
    if (!Object.hasOwn(seccomp, field)) continue;
    notes.leave("seccomp", field, "the policy does not allow it");
    delete (seccomp as Record<string, unknown>)[field];
  }
}

function restrainDevices(linux: NonNullable<Spec["linux"]>, notes: ImportNotes): void {
  for (const { path } of linux.devices ?? []) notes.leave("device", path, "the policy does not allow it");
  delete linux.devices;
  const rules = linux.resources?.devices ?? [];
  for (const { allow, type = "a", major = "*", minor = "*", access = "" } of rules) {
    if (allow) notes.leave("device", `${type} ${major}:${minor} ${access}`, "the policy does not allow it");
  }
  linux.resources = { ...linux.resources, devices: [{ allow: false, access: "rwm" }] };
}
