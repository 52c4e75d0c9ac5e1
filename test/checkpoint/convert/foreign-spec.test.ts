import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { capabilitiesOf } from "../../../src/checkpoint/convert/capabilities.js";
import type { DumpFacts, DumpMount } from "../../../src/checkpoint/convert/dump-facts.js";
import { mendSpec } from "../../../src/checkpoint/convert/mend-spec.js";
import { type ForeignSpecPolicy, type ImportNote, ImportNotes } from "../../../src/checkpoint/convert/policy.js";
import { FailedPreconditionError, InvalidArgumentError } from "../../../src/errors.js";
import { encodeSpec, type Spec } from "../../../src/oci/runtime-spec.js";

const mount = (path: string, more: Partial<DumpMount> = {}): DumpMount => {
  const { filesystem = "tmpfs" } = more;
  return { path, root: "/", filesystem, kinds: [filesystem], isReadOnly: false, isExternal: false, device: 7, ...more };
};

const rootMount = mount("/", { filesystem: "overlay", device: 1 });
const whole: DumpFacts = {
  isWhole: true,
  mounts: [rootMount, mount("/dev")],
  mountKeys: new Set(),
  rootModes: new Set([0o40755]),
  capabilities: new Map(),
  hasSeccomp: true,
  hasTcp: false,
  hasFileLocks: false,
};

const maskedPaths = "acpi kcore keys latency_stats sched_debug scsi timer_list"
  .split(" ")
  .map((name) => `/proc/${name}`)
  .concat("/sys/firmware");

const spec = (): Spec => ({
  ociVersion: "1.2.0",
  process: { user: { uid: 0, gid: 0 }, cwd: "/", capabilities: { bounding: ["CAP_CHOWN", "CAP_SYS_ADMIN"] } },
  mounts: [],
  linux: {
    namespaces: [{ type: "mount" }, { type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "network" }],
    maskedPaths: [...maskedPaths],
    readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  },
});

function mend(from: Spec, policy: ForeignSpecPolicy = {}, dump: Partial<DumpFacts> = {}) {
  const notes = new ImportNotes();
  const binds = { bindMounts: [], config: {}, volumes: new Set<string>(), hasShm: false };
  const mended = mendSpec(encodeSpec(from), { ...whole, ...dump }, binds, policy, notes);
  const shown = (list: readonly ImportNote[]) => list.map(({ what, name }) => `${what} ${name}`);
  return { ...mended, left: shown(notes.leftOut), exposed: shown(notes.exposed) };
}

function refuses(message: RegExp, ...args: Parameters<typeof mend>): void {
  assert.throws(
    () => mend(...args),
    (reason) => reason instanceof FailedPreconditionError && message.test(reason.message),
  );
}

describe("a spec from elsewhere", () => {
  it("brings no hooks, devices, capabilities, annotations and listeners, unless they are allowed", () => {
    const foreign: Spec = {
      ...spec(),
      hooks: { prestart: [{ path: "/bin/evil" }] },
      annotations: { "org.criu.config": "/etc/evil", "run.oci.x": "y" },
    };
    Object.assign(foreign.linux ?? {}, {
      devices: [{ path: "/dev/sda", type: "b", major: 8, minor: 0 }],
      resources: { devices: [{ allow: true, access: "rwm" }], unified: { "memory.high": "1" } },
      seccomp: { defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/run/evil.sock" },
      sysctl: { "kernel.core_pattern": "|/bin/evil", "net.ipv4.ip_forward": "1" },
      rootfsPropagation: "shared",
      cgroupsPath: "/../../evil",
    });
    const plain = mend(foreign);
    assert.deepEqual(plain.left.sort(), [
      "annotation org.criu.config",
      "annotation run.oci.x",
      "capability CAP_SYS_ADMIN",
      "device /dev/sda",
      "device a *:* rwm",
      "hook hooks",
      "linux rootfsPropagation",
      "resources unified",
      "seccomp listenerPath",
      "sysctl kernel.core_pattern",
    ]);
    assert.equal(plain.spec["hooks"], undefined);
    assert.deepEqual(plain.spec.annotations, {});
    assert.deepEqual(plain.spec.linux?.resources?.devices, [{ allow: false, access: "rwm" }]);
    assert.deepEqual(plain.spec.linux?.seccomp, { defaultAction: "SCMP_ACT_ALLOW" });
    assert.deepEqual(plain.spec.linux?.sysctl, { "net.ipv4.ip_forward": "1" });
    assert.deepEqual(plain.spec.process?.capabilities?.bounding, ["CAP_CHOWN"]);
    const allowed = mend(foreign, {
      hooks: true,
      devices: true,
      annotations: ["run.oci.x"],
      capabilities: ["CAP_SYS_ADMIN"],
      seccomp: true,
    });
    assert.ok(allowed.spec["hooks"]);
    assert.equal(allowed.spec.linux?.devices?.length, 1);
    assert.deepEqual(allowed.spec.annotations, { "run.oci.x": "y" });
    assert.deepEqual(allowed.spec.process?.capabilities?.bounding, ["CAP_CHOWN", "CAP_SYS_ADMIN"]);
    assert.equal(allowed.spec.linux?.seccomp?.["listenerPath"], "/run/evil.sock");
  });

  it("is refused where a runtime would see in it what is not seen here, or something is not what it should be", () => {
    const bad = (message: RegExp, change: (from: Spec) => unknown) => {
      const from = spec();
      change(from);
      assert.throws(
        () => mend(from),
        (reason) => reason instanceof InvalidArgumentError && message.test(reason.message),
      );
    };
    const host = { destination: "/x", type: "tmpfs", Type: "bind", Source: "/", Options: ["rbind"] };
    bad(/"Options", which can be taken for "options"/, (from) => from.mounts?.push(host));
    bad(/"Path", which can be taken for "path"/, ({ linux }) =>
      linux?.namespaces?.splice(0, 1, Object.assign({ type: "mount" as const }, { Path: "/proc/1/ns/mnt" })),
    );
    bad(/"ListenerPath"/, ({ linux }) => Object.assign(linux ?? {}, { seccomp: { ListenerPath: "/run/evil.sock" } }));
    bad(/"HOOKS"/, (from) => Object.assign(from, { HOOKS: {} }));
    bad(/effective to be a list/, ({ process }) =>
      Object.assign(process?.capabilities ?? {}, { effective: "CAP_SYS_ADMIN" }),
    );
    for (const [field, value] of Object.entries({ terminal: 1, oomScoreAdj: "-1", capabilities: [] })) {
      bad(new RegExp(field), ({ process }) => Object.assign(process ?? {}, { [field]: value }));
    }
    const linux = { sysctl: { a: 1 }, seccomp: [], maskedPaths: [1], uidMappings: {}, devices: [{}], resources: [] };
    for (const [field, value] of Object.entries(linux)) {
      bad(/runtime spec/, (from) => Object.assign(from.linux ?? {}, { [field]: value }));
    }
    bad(/destination to be a string, got nothing/, (from) => Object.assign(from, { mounts: [{ type: "proc" }] }));
    const empty = { ...spec(), annotations: null, hooks: null } as unknown as Spec;
    Object.assign(empty.linux ?? {}, { devices: null, seccomp: null, resources: { devices: null }, sysctl: null });
    assert.deepEqual(mend(empty).spec.annotations, {});
  });

  it("is refused where its processes hold more than is allowed: criu would give it to them", () => {
    const capabilities = new Map([["CAP_SYS_ADMIN", 1]]);
    refuses(/its processes hold CAP_SYS_ADMIN/, spec(), {}, { capabilities });
    mend(spec(), { capabilities: ["CAP_SYS_ADMIN"] }, { capabilities });
    assert.deepEqual(capabilitiesOf([1 << 21, 1 << 8]), ["CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"]);
    assert.deepEqual(capabilitiesOf([0, 0x8000_0000]), ["CAP_63"]);
  });

  it("is refused with namespaces of the host's, and with a user namespace", () => {
    const host = spec();
    host.linux = { ...host.linux, namespaces: (host.linux?.namespaces ?? []).filter(({ type }) => type !== "pid") };
    refuses(/the host's own pid namespace/, host);
    mend(host, { hostNamespaces: ["pid"] });
    const user = spec();
    user.linux?.namespaces?.push({ type: "user" });
    refuses(/a user namespace/, user);
  });

  it("lets go of namespaces of others, and tells which must be named anew", () => {
    const shared = spec();
    for (const namespace of shared.linux?.namespaces ?? []) {
      if (namespace.type !== "mount") namespace.path = `/proc/1/ns/${namespace.type}`;
    }
    const { external, spec: mended } = mend(shared);
    assert.deepEqual(external, ["pid", "network"]);
    assert.ok(mended.linux?.namespaces?.every(({ path }) => path === undefined));
  });

  it("is refused with a mount nothing can stand for, until it is said what", () => {
    const bound = {
      ...spec(),
      mounts: [{ destination: "/data", type: "bind", source: "/", options: ["rbind", "rshared"] }],
    };
    refuses(/nothing can stand for its mount \/data/, bound);
    assert.equal(mend(bound, { mounts: { "/data": "/srv/data" } }).spec.mounts?.[0]?.source, "/srv/data");
    assert.equal(mend(bound, { mounts: { "/data": true } }).spec.mounts?.[0]?.source, "/");
    refuses(/of type "nfs"/, { ...spec(), mounts: [{ destination: "/n", type: "nfs", source: "host:/" }] });
    const hosts = {
      ...spec(),
      mounts: [{ destination: "/etc/hosts", type: "bind", source: "/etc/shadow", options: ["rshared"] }],
    };
    assert.deepEqual(mend(hosts).spec.mounts, [
      { destination: "/etc/hosts", type: "bind", source: "rootfs/dev/.containerd-client/0", options: [] },
    ]);
  });

  it("is refused where the dump has mounts from outside that it does not know, or that are no plain paths", () => {
    refuses(/which its spec does not know/, spec(), {}, { mountKeys: new Set(["/somewhere"]) });
    const masked = spec();
    const evil = "/proc/x]:/dev/null\naction-script /bin/evil";
    Object.assign(masked.linux ?? {}, { maskedPaths: [evil, ...maskedPaths] });
    refuses(/which its spec does not know/, masked, {}, { mountKeys: new Set([evil]) });
    assert.deepEqual(mend(masked, {}, { mountKeys: new Set(["/proc/keys"]) }).criuLines, [
      "external mnt[/proc/keys]:/dev/null",
    ]);
  });

  it("is refused where the dump would show what criu is told", () => {
    refuses(/no \/dev of its own/, spec(), {}, { mounts: [rootMount] });
    refuses(
      /no \/dev of its own/,
      spec(),
      {},
      { mounts: [rootMount, mount("/dev", { filesystem: "overlay", device: 1 })] },
    );
    const shows = (root: string) => ({
      mounts: [...whole.mounts, mount("/x", { root, device: 1, filesystem: "overlay" })],
    });
    for (const root of ["/", "/dev", "/dev/.containerd-client", "/dev/.containerd-client/criu.conf"]) {
      refuses(/its own root filesystem mounted on \/x/, spec(), {}, shows(root));
    }
    mend(spec(), {}, shows("/data"));
    mend(spec(), {}, shows("/dev/.containerd-client/empty"));
  });

  it("is refused where its processes would see or change what engines hide, by its own word", () => {
    const hides = /could see or change what engines hide: /;
    const without = (path: string): Spec => {
      const { linux, ...rest } = spec();
      const but = (paths: readonly string[] = []) => paths.filter((other) => other !== path);
      return {
        ...rest,
        linux: { ...linux, maskedPaths: but(linux?.maskedPaths), readonlyPaths: but(linux?.readonlyPaths) },
      };
    };
    for (const path of ["/proc/kcore", "/proc/sys", "/proc/sysrq-trigger", "/sys/firmware"]) {
      refuses(new RegExp(`${hides.source}${path}$`), without(path));
      refuses(hides, without(path), { unmasked: ["/proc/keys"] });
      assert.ok(mend(without(path), { unmasked: [path] }).exposed.includes(`path ${path}`));
      mend(without(path), { unmasked: true });
    }
    const sysfs = (...options: string[]) => ({
      ...spec(),
      mounts: [{ destination: "/sys", type: "sysfs", source: "sysfs", options }],
    });
    refuses(/: \/sys$/, sysfs("nosuid"));
    refuses(/: \/sys$/, sysfs("ro", "rw"));
    mend(sysfs("nosuid", "ro"));
    mend(sysfs("rw"), { unmasked: ["/sys"] });
  });

  it("is refused where they would by what the dump has mounted", () => {
    const proc = mount("/proc", { filesystem: "proc", device: 3 });
    const sys = mount("/proc/sys", { ...proc, path: "/proc/sys", root: "/sys", isReadOnly: true });
    const sysfs = mount("/sys", { filesystem: "sysfs", device: 4, isReadOnly: true });
    const dump = (...mounts: DumpMount[]) => ({ mounts: [...whole.mounts, ...mounts] });
    mend(spec(), {}, dump(proc, sys, sysfs));
    for (const [path, mounts] of [
      ["/proc/sys", [proc]],
      ["/proc/sys", [proc, { ...sys, isReadOnly: false }]],
      ["/sys", [proc, sys, { ...sysfs, isReadOnly: false }]],
      ["/x", [proc, sys, { ...proc, path: "/x" }]],
      ["/x", [proc, sys, { ...proc, path: "/x", isReadOnly: true }]],
      ["/x", [proc, sys, { ...sys, path: "/x", isReadOnly: false }]],
      ["/proc", [proc, sys, { ...proc }]],
      ["/x", [proc, sys, mount("/x", { filesystem: "debugfs" })]],
      ["/x", [proc, sys, mount("/x", { kinds: ["debugfs", "tmpfs"] })]],
      ["/x", [proc, sys, mount("/x", { kinds: ["tmpfs", "sysfs"] })]],
      ["/x", [proc, sys, mount("/x", { filesystem: "sysfs", root: "/data", device: rootMount.device })]],
    ] as const) {
      refuses(new RegExp(`: ${path}(, ${path})?$`), spec(), {}, dump(...mounts));
      assert.ok(mend(spec(), { unmasked: [path] }, dump(...mounts)).exposed.includes(`path ${path}`));
    }
  });

  it("tells of a CRI's container from which nothing was hidden, and of one without a seccomp filter", () => {
    const cri = (): Spec => ({ ...spec(), annotations: { "io.kubernetes.cri.container-type": "container" } });
    const bare = (from: Spec): Spec => ({ ...from, linux: { ...from.linux, maskedPaths: [], readonlyPaths: [] } });
    refuses(/what engines hide/, bare(spec()));
    assert.ok(mend(bare(cri())).exposed.includes("path /proc/sys"));
    refuses(/what engines hide/, bare(cri()), { unmasked: false });
    refuses(/: \/proc\/kcore$/, {
      ...cri(),
      linux: { ...spec().linux, maskedPaths: maskedPaths.filter((path) => path !== "/proc/kcore") },
    });
    const filtered = { ...spec(), linux: { ...spec().linux, seccomp: { defaultAction: "SCMP_ACT_ERRNO" } } };
    assert.deepEqual(mend(filtered).exposed, []);
    assert.deepEqual(mend(filtered, {}, { hasSeccomp: false }).exposed, ["seccomp filter"]);
    assert.deepEqual(mend(spec()).exposed, ["seccomp filter"]);
  });
});
