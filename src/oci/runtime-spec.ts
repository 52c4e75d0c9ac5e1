import { writeGoJson } from "./go-json.js";
import {
  expectObject,
  fieldOf,
  type JsonObject,
  optionalArray,
  optionalString,
  optionalStringMap,
  optionalStrings,
  parseJsonObject,
} from "./json.js";

/** An integer of up to 64 bits: bigint beyond what a double holds, such as the limit that means "none". */
export type Int64 = number | bigint;

/** A user inside the container. */
export interface SpecUser {
  /** Number of the user. */
  uid: number;
  /** Number of the group. */
  gid: number;
  /** Mode bits new files do not get. */
  umask?: number;
  /** Groups the user is in beside `gid`. */
  additionalGids?: number[];
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** Sets of Linux capabilities, such as `CAP_CHOWN`. */
export interface SpecCapabilities {
  /** What the process can ever get. */
  bounding?: string[];
  /** What counts now. */
  effective?: string[];
  /** What a program without file capabilities keeps. */
  inheritable?: string[];
  /** What may be made effective. */
  permitted?: string[];
  /** What a program run by another user than root keeps. */
  ambient?: string[];
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** One resource limit of the process. */
export interface SpecRlimit {
  /** Which one, such as `RLIMIT_NOFILE`. */
  type: string;
  /** How far the process may raise it. */
  hard: Int64;
  /** What counts. */
  soft: Int64;
}

/** Size of a terminal in characters. */
export interface TerminalSize {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
}

/** The process to run, or one to run beside it. */
export interface SpecProcess {
  /** Whether it has a terminal. */
  terminal?: boolean;
  /** Size of the terminal in characters. */
  consoleSize?: TerminalSize;
  /** Who runs it. */
  user: SpecUser;
  /** The command line. */
  args?: string[];
  /** Environment as `NAME=value`. */
  env?: string[];
  /** Where it runs. */
  cwd: string;
  /** What it may do as root. */
  capabilities?: SpecCapabilities;
  /** Its limits. */
  rlimits?: SpecRlimit[];
  /** Whether it can never gain rights by running a program. */
  noNewPrivileges?: boolean;
  /** AppArmor's profile. */
  apparmorProfile?: string;
  /** SELinux's label. */
  selinuxLabel?: string;
  /** How readily the kernel kills it when memory is short. */
  oomScoreAdj?: number;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** The root filesystem. */
export interface SpecRoot {
  /** Its directory, relative to the bundle. */
  path: string;
  /** Whether nothing can be written to it. */
  readonly?: boolean;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** One mount inside the container. */
export interface SpecMount {
  /** Where it appears. */
  destination: string;
  /** Kind of filesystem; `bind` for a directory of the host. */
  type?: string;
  /** What is mounted. */
  source?: string;
  /** How. */
  options?: string[];
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** What a container can have of its own. */
export type NamespaceKind = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

/** One namespace the container is in. */
export interface SpecNamespace {
  /** Which kind. */
  type: NamespaceKind;
  /** File of an existing one to join; a new one is made when absent. */
  path?: string;
}

/** A range of ids that differs inside and outside. */
export interface SpecIdMapping {
  /** First id inside. */
  containerID: number;
  /** First id outside. */
  hostID: number;
  /** How many. */
  size: number;
}

/** A device node to make. */
export interface SpecDevice {
  /** Where it appears. */
  path: string;
  /** `c`, `b`, `u` or `p`. */
  type: string;
  /** Its driver. */
  major?: number;
  /** Which one of the driver's. */
  minor?: number;
  /** Mode bits. */
  fileMode?: number;
  /** Its user. */
  uid?: number;
  /** Its group. */
  gid?: number;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** Whether some devices may be used. */
export interface SpecDeviceRule {
  /** Whether they may. */
  allow: boolean;
  /** `c`, `b` or `a`; all kinds when absent. */
  type?: string;
  /** Their driver; any when absent. */
  major?: number;
  /** Which of the driver's; any when absent. */
  minor?: number;
  /** `r`, `w` and `m`, joined. */
  access?: string;
}

/** How much memory, in bytes; -1 is no limit. */
export interface SpecMemory {
  /** How much it can ever have. */
  limit?: Int64;
  /** How much it keeps when memory is short. */
  reservation?: Int64;
  /** Memory and swap together. */
  swap?: Int64;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** How much CPU time. */
export interface SpecCpu {
  /** Weight against others; 1024 is one share. */
  shares?: Int64;
  /** Microseconds it may run in every period; -1 is no limit. */
  quota?: Int64;
  /** Length of a period in microseconds. */
  period?: Int64;
  /** Which CPUs, such as `0-3`. */
  cpus?: string;
  /** Which memory nodes, such as `0`. */
  mems?: string;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** How many processes and threads. */
export interface SpecPids {
  /** The most there can be; -1 is no limit. */
  limit: Int64;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** What the container may use of the machine. */
export interface SpecResources {
  /** Device rules; the last one that matches counts. */
  devices?: SpecDeviceRule[];
  /** Memory. */
  memory?: SpecMemory;
  /** CPU time. */
  cpu?: SpecCpu;
  /** Processes and threads. */
  pids?: SpecPids;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** What only Linux has. */
export interface SpecLinux {
  /** Users that differ inside and outside. */
  uidMappings?: SpecIdMapping[];
  /** Groups that differ inside and outside. */
  gidMappings?: SpecIdMapping[];
  /** Kernel parameters of the container. */
  sysctl?: Record<string, string>;
  /** What it may use of the machine. */
  resources?: SpecResources;
  /** Its cgroup: a path, or `slice:prefix:name` for systemd. */
  cgroupsPath?: string;
  /** What it has of its own. */
  namespaces?: SpecNamespace[];
  /** Device nodes to make. */
  devices?: SpecDevice[];
  /** Which system calls it may make. */
  seccomp?: JsonObject;
  /** How mounts spread from its root. */
  rootfsPropagation?: string;
  /** Paths it cannot read. */
  maskedPaths?: string[];
  /** Paths it cannot write. */
  readonlyPaths?: string[];
  /** SELinux's label of its mounts. */
  mountLabel?: string;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/**
 * What a runtime is told to run. A plain object that options change in place; fields not named here stay.
 *
 * @see https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md
 */
export interface Spec {
  /** Version of the runtime spec it follows. */
  ociVersion: string;
  /** What to run. */
  process?: SpecProcess;
  /** The root filesystem. */
  root?: SpecRoot;
  /** The container's own host name. */
  hostname?: string;
  /** Mounts, in the order they are made. */
  mounts?: SpecMount[];
  /** Facts for the runtime. */
  annotations?: Record<string, string>;
  /** What only Linux has. */
  linux?: SpecLinux;
  /** Whatever else is there. */
  [field: string]: unknown;
}

/** Changes a spec in place. */
export type SpecOption = (spec: Spec) => void;

/**
 * Parses a runtime spec; integers beyond a double come out as bigint, and fields it does not know stay.
 *
 * Only the outline is checked: which objects and lists there are. A spec is the runtime's to judge.
 *
 * @throws {ResourceExhaustedError} when it is larger than `maxSize` bytes (4 MiB when absent).
 * @throws {InvalidArgumentError} when it is not a JSON object, or its outline is not a spec's.
 * @example
 * ```ts
 * const spec = parseSpec(container.spec.value);
 * ```
 * @see https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md
 */
export function parseSpec(source: Uint8Array | string, options: { readonly maxSize?: number } = {}): Spec {
  const document = parseJsonObject(source, "runtime spec", options.maxSize);
  checkOutline(document);
  return document as Spec;
}

/**
 * Writes a runtime spec so that {@link parseSpec} gives the same back, and the same spec has the same bytes.
 *
 * @example
 * ```ts
 * const bytes = encodeSpec(spec);
 * ```
 */
export function encodeSpec(spec: Spec): Uint8Array {
  return new TextEncoder().encode(writeGoJson(spec));
}

function checkOutline(document: JsonObject): void {
  const what = "runtime spec";
  optionalString(document, "ociVersion", what);
  optionalString(document, "hostname", what);
  optionalStringMap(document, "annotations", what);
  checkObjects(optionalArray(document, "mounts", what), "mount of runtime spec");
  checkField(document, "root", (root, name) => optionalString(root, "path", name));
  checkField(document, "process", (process, name) => {
    optionalStrings(process, "args", name);
    optionalStrings(process, "env", name);
    checkField(process, "user", () => undefined);
  });
  checkField(document, "linux", (linux, name) => {
    optionalString(linux, "cgroupsPath", name);
    checkObjects(optionalArray(linux, "namespaces", name), "namespace of runtime spec");
    checkField(linux, "resources", () => undefined);
  });
}

function checkField(from: JsonObject, field: string, check: (value: JsonObject, what: string) => void): void {
  const value = fieldOf(from, field);
  const what = `${field} of runtime spec`;
  if (value !== undefined) check(expectObject(value, what), what);
}

function checkObjects(list: readonly unknown[] | undefined, what: string): void {
  for (const item of list ?? []) expectObject(item, what);
}
