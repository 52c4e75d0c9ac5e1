import { InvalidArgumentError } from "../errors.js";
import type { NamespaceKind, SpecDevice, SpecOption } from "./runtime-spec.js";
import { linuxOf, processOf, resourcesOf } from "./spec-sections.js";

// In the kernel's order, 0 to 40.
// See https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h
const allCapabilities: readonly string[] = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN " +
  "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE " +
  "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
  .split(" ")
  .map((name) => `CAP_${name}`);

/** Shares a namespace with the host instead of having an own one; sharing `uts` also gives up the own host name. */
export function withHostNamespace(kind: NamespaceKind): SpecOption {
  return (spec) => {
    const linux = linuxOf(spec);
    linux.namespaces = (linux.namespaces ?? []).filter(({ type }) => type !== kind);
    // The runtime refuses a host name that it would have to give the host.
    if (kind === "uts") delete spec.hostname;
  };
}

/** Joins an existing namespace by its file, such as `/proc/4711/ns/net`. */
export function withNamespacePath(kind: NamespaceKind, path: string): SpecOption {
  return (spec) => {
    const linux = linuxOf(spec);
    linux.namespaces = [...(linux.namespaces ?? []).filter(({ type }) => type !== kind), { type: kind, path }];
  };
}

/**
 * Gives the process exactly these capabilities, such as `CAP_CHOWN`.
 *
 * @throws {InvalidArgumentError} when one is not the name of a capability.
 */
export function withCapabilities(...capabilities: readonly string[]): SpecOption {
  return changeCapabilities(capabilities, () => [...new Set(capabilities)]);
}

/**
 * Gives the process these capabilities too.
 *
 * @throws {InvalidArgumentError} when one is not the name of a capability.
 */
export function withAddedCapabilities(...capabilities: readonly string[]): SpecOption {
  return changeCapabilities(capabilities, (present) => [...new Set([...present, ...capabilities])]);
}

/**
 * Takes these capabilities from the process, from every set that holds them.
 *
 * @throws {InvalidArgumentError} when one is not the name of a capability.
 */
export function withDroppedCapabilities(...capabilities: readonly string[]): SpecOption {
  const drop = (present: readonly string[]): string[] => present.filter((name) => !capabilities.includes(name));
  const option = changeCapabilities(capabilities, drop);
  return (spec) => {
    option(spec);
    const sets = processOf(spec).capabilities;
    if (sets?.inheritable !== undefined) sets.inheritable = drop(sets.inheritable);
    if (sets?.ambient !== undefined) sets.ambient = drop(sets.ambient);
  };
}

/**
 * Takes the walls down: every capability and every device of the machine, no hidden or read-only kernel files, no
 * seccomp, AppArmor or SELinux. Namespaces stay; device nodes of the host are for the caller to add.
 */
export function withPrivileged(): SpecOption {
  return (spec) => {
    withCapabilities(...allCapabilities)(spec);
    withoutSeccomp()(spec);
    const process = processOf(spec);
    process.noNewPrivileges = false;
    delete process.apparmorProfile;
    delete process.selinuxLabel;
    const linux = linuxOf(spec);
    linux.maskedPaths = [];
    linux.readonlyPaths = [];
    delete linux.mountLabel;
    resourcesOf(spec).devices = [{ allow: true, access: "rwm" }];
    for (const mount of spec.mounts ?? []) {
      if (mount.type === "sysfs" || mount.type === "cgroup") {
        mount.options = (mount.options ?? []).map((option) => (option === "ro" ? "rw" : option));
      }
    }
  };
}

/** Adds device nodes, and allows the process to read, write and make them. */
export function withDevices(...devices: readonly SpecDevice[]): SpecOption {
  return (spec) => {
    const linux = linuxOf(spec);
    linux.devices = [...(linux.devices ?? []), ...structuredClone(devices)];
    const resources = resourcesOf(spec);
    const rules = devices.map(({ type, major, minor }) => ({
      allow: true,
      type: type === "u" ? "c" : type,
      ...(major === undefined ? {} : { major }),
      ...(minor === undefined ? {} : { minor }),
      access: "rwm",
    }));
    // A pipe has no device number, and a rule for one would be a rule for none.
    resources.devices = [...(resources.devices ?? []), ...rules.filter(({ type }) => type !== "p")];
  };
}

/** Lets the process make every system call. */
export function withoutSeccomp(): SpecOption {
  return (spec) => {
    if (spec.linux !== undefined) delete spec.linux.seccomp;
  };
}

function changeCapabilities(names: readonly string[], change: (present: readonly string[]) => string[]): SpecOption {
  for (const name of names) {
    if (!/^CAP_[A-Z_]+$/.test(name)) {
      throw new InvalidArgumentError(
        `Cannot change capabilities: expected a name like "CAP_CHOWN", got ${JSON.stringify(name)}`,
      );
    }
  }
  return (spec) => {
    const process = processOf(spec);
    const present = process.capabilities ?? {};
    process.capabilities = {
      ...present,
      bounding: change(present.bounding ?? []),
      effective: change(present.effective ?? []),
      permitted: change(present.permitted ?? []),
    };
  };
}
