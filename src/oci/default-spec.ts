import type { Spec, SpecDeviceRule, SpecMount } from "./runtime-spec.js";

/** Where the default spec belongs. */
export interface DefaultSpecOptions {
  /** The container's id. */
  readonly id: string;
  /** The containerd namespace it lives in. */
  readonly namespace: string;
  /** Whether it also gets a cgroup namespace of its own; false when absent. */
  readonly cgroupNamespace?: boolean;
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const capabilities = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
  "/proc/scsi",
];

const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/**
 * Makes the spec containerd itself starts from on Linux: own namespaces, a small set of capabilities, the usual mounts
 * and devices, no command yet.
 *
 * @example
 * ```ts
 * const spec = defaultSpec({ id: "counter", namespace: "default" });
 * withArgs("sleep", "60")(spec);
 * ```
 * @see https://github.com/containerd/containerd/blob/v2.1.4/pkg/oci/spec.go
 */
export function defaultSpec(options: DefaultSpecOptions): Spec {
  return {
    // The oldest version that has all of this: an older runtime may refuse a newer one.
    ociVersion: "1.1.0",
    process: {
      user: { uid: 0, gid: 0 },
      env: [defaultPath],
      cwd: "/",
      capabilities: { bounding: [...capabilities], effective: [...capabilities], permitted: [...capabilities] },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs" },
    mounts: defaultMounts(),
    linux: {
      resources: { devices: defaultDeviceRules() },
      cgroupsPath: `/${options.namespace}/${options.id}`,
      namespaces: [
        { type: "pid" },
        { type: "ipc" },
        { type: "uts" },
        { type: "mount" },
        { type: "network" },
        ...(options.cgroupNamespace === true ? [{ type: "cgroup" as const }] : []),
      ],
      maskedPaths: [...maskedPaths],
      readonlyPaths: [...readonlyPaths],
    },
  };
}

function defaultMounts(): SpecMount[] {
  const guarded = ["nosuid", "noexec", "nodev"];
  const scratch = ["nosuid", "strictatime", "mode=755", "size=65536k"];
  const terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: [...guarded] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: [...scratch] },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: terminals },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...guarded, "mode=1777", "size=65536k"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: [...guarded] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...guarded, "ro"] },
    { destination: "/run", type: "tmpfs", source: "tmpfs", options: [...scratch] },
  ];
}

// null, random, full, tty, zero, urandom, console, every pseudo terminal, ptmx.
// See https://github.com/torvalds/linux/blob/v6.12/Documentation/admin-guide/devices.txt
function defaultDeviceRules(): SpecDeviceRule[] {
  const character = (major: number, minor?: number): SpecDeviceRule => ({
    allow: true,
    type: "c",
    major,
    ...(minor === undefined ? {} : { minor }),
    access: "rwm",
  });
  return [
    { allow: false, access: "rwm" },
    character(1, 3),
    character(1, 8),
    character(1, 7),
    character(5, 0),
    character(1, 5),
    character(1, 9),
    character(5, 1),
    character(136),
    character(5, 2),
  ];
}
