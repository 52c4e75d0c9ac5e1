import { InvalidArgumentError } from "../../errors.js";
import {
  expectObject,
  fieldOf,
  type JsonObject,
  optionalArray,
  optionalString,
  optionalStringMap,
  optionalStrings,
  refusalOfLookalikes,
  unexpected,
} from "../../oci/json.js";
import { parseSpec, type Spec } from "../../oci/runtime-spec.js";

/** What is looked at, at whatever depth. */
const checkNames = refusalOfLookalikes(
  [
    "ociVersion process root hostname domainname mounts annotations linux hooks",
    "terminal user args env cwd capabilities rlimits noNewPrivileges oomScoreAdj apparmorProfile selinuxLabel",
    "bounding effective inheritable permitted ambient readonly destination type source options path",
    "namespaces resources cgroupsPath maskedPaths readonlyPaths sysctl seccomp devices uidMappings gidMappings",
    "rootfsPropagation mountLabel memory cpu pids allow major minor access unified listenerPath listenerMetadata",
  ].flatMap((names) => names.split(" ")),
);
/** Objects whose keys are no fields. */
const maps = new Set(["annotations", "sysctl", "unified"]);

/**
 * Parses a spec that somebody else wrote: all that is looked at is what it should be, and a runtime would see in it what is seen here.
 *
 * @throws {InvalidArgumentError} when it is no spec, or says something that can be taken for something else
 */
export function parseForeignSpec(document: Uint8Array): Spec {
  const spec = parseSpec(document);
  settle(spec);
  for (const mount of (spec.mounts ?? []) as readonly JsonObject[]) {
    const what = "mount of runtime spec";
    requireString(mount, "destination", what);
    for (const field of ["type", "source"]) optionalString(mount, field, what);
    optionalStrings(mount, "options", what);
  }
  within(spec, "process", checkProcess);
  within(spec, "linux", checkLinux);
  return spec;
}

function checkProcess(process: JsonObject, what: string): void {
  optionalOf(process, "terminal", "boolean", what);
  optionalOf(process, "oomScoreAdj", "number", what);
  within(process, "capabilities", (sets, name) => {
    for (const set of Object.keys(sets)) optionalStrings(sets, set, name);
  });
}

function checkLinux(linux: JsonObject, what: string): void {
  optionalStringMap(linux, "sysctl", what);
  for (const field of ["maskedPaths", "readonlyPaths"]) optionalStrings(linux, field, what);
  for (const field of ["uidMappings", "gidMappings"]) optionalArray(linux, field, what);
  within(linux, "seccomp", () => undefined);
  for (const namespace of objectsIn(linux, "namespaces", what)) {
    requireString(namespace, "type", "namespace of runtime spec");
    optionalString(namespace, "path", "namespace of runtime spec");
  }
  for (const device of objectsIn(linux, "devices", what)) requireString(device, "path", "device of runtime spec");
  within(linux, "resources", (resources, name) => {
    for (const rule of objectsIn(resources, "devices", name)) {
      for (const field of ["type", "access"]) optionalString(rule, field, "device rule of runtime spec");
      for (const field of ["major", "minor"]) optionalOf(rule, field, "number", "device rule of runtime spec");
    }
  });
}

/** Takes away what is null, which is to Go as if it were not there, and refuses names Go would take for others. */
function settle(value: unknown): void {
  if (Array.isArray(value)) for (const item of value) settle(item);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  checkNames(value as JsonObject, "runtime spec");
  const fields = value as Record<string, unknown>;
  for (const [field, content] of Object.entries(fields)) {
    if (content === null) delete fields[field];
    else if (!maps.has(field)) settle(content);
  }
}

function within(from: JsonObject, field: string, check: (value: JsonObject, what: string) => void): void {
  const value = fieldOf(from, field);
  const what = `${field} of runtime spec`;
  if (value !== undefined) check(expectObject(value, what), what);
}

function objectsIn(from: JsonObject, field: string, what: string): readonly JsonObject[] {
  return (optionalArray(from, field, what) ?? []).map((item) => expectObject(item, `${field} of runtime spec`));
}

function requireString(from: JsonObject, field: string, what: string): void {
  if (optionalString(from, field, what) !== undefined) return;
  throw new InvalidArgumentError(`Cannot parse ${what}: expected ${field} to be a string, got nothing`);
}

function optionalOf(from: JsonObject, field: string, type: "boolean" | "number", what: string): void {
  const value = fieldOf(from, field);
  if (value !== undefined && typeof value !== type) throw unexpected(what, field, `a ${type}`, value);
}
