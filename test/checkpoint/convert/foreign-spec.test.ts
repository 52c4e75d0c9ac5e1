import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { capabilitiesOf } from "../../../src/checkpoint/convert/capabilities.js";
import type { DumpFacts, DumpMount } from "../../../src/checkpoint/convert/dump-facts.js";
import { mendSpec } from "../../../src/checkpoint/convert/mend-spec.js";
import { type ForeignSpecPolicy, ImportNotes } from "../../../src/checkpoint/convert/policy.js";
import { FailedPreconditionError, InvalidArgumentError } from "../../../src/errors.js";
import { encodeSpec, type Spec } from "../../../src/oci/runtime-spec.js";

const mount = (path: string, more: Partial<DumpMount> = {}): DumpMount => {
  return { path, root: "/", filesystem: "tmpfs", isExternal: false, device: 7, ...more };
};

const rootMount = mount("/", { filesystem: "overlay", device: 1 });
const whole: DumpFacts = {
  isWhole: true,
  mounts: [rootMount, mount("/dev")],
  mountKeys: new Set(),
  rootModes: new Set([0o40755]),
  capabilities: new Map(),
  hasTcp: false,
  hasFileLocks: false,
};

const spec = (): Spec => ({
  ociVersion: "1.2.0",
  process: { user: { uid: 0, gid: 0 }, cwd: "/", capabilities: { bounding: ["CAP_CHOWN", "CAP_SYS_ADMIN"] } },
  mounts: [],
  linux: { namespaces: [{ type: "mount" }, { type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "network" }] },
});

function mend(from: Spec, policy: ForeignSpecPolicy = {}, dump: Partial<DumpFacts> = {}) {
  const notes = new ImportNotes();
  const binds = { bindMounts: [], config: {}, volumes: new Set<string>(), hasShm: false };
  const mended = mendSpec(encodeSpec(from), { ...whole, ...dump }, binds, policy, notes);
  return { ...mended, left: notes.leftOut.map(({ what, name }) => `${what} ${name}`) };
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
    host.linux = { namespaces: (host.linux?.namespaces ?? []).filter(({ type }) => type !== "pid") };
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
    Object.assign(masked.linux ?? {}, { maskedPaths: [evil, "/proc/keys"] });
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
});
