import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FailedPreconditionError, InvalidArgumentError } from "../../src/errors.js";
import { defaultSpec } from "../../src/oci/default-spec.js";
import type { ImageConfig } from "../../src/oci/image-config.js";
import * as options from "../../src/oci/index.js";
import type { Spec, SpecOption } from "../../src/oci/runtime-spec.js";

function specWith(...applied: readonly SpecOption[]): Spec {
  const spec = defaultSpec({ id: "a", namespace: "n" });
  for (const option of applied) option(spec);
  return spec;
}

function image(config: ImageConfig["config"]): ImageConfig {
  return { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [] }, ...(config && { config }) };
}

describe("withImageConfig", () => {
  it("puts entrypoint before command, and given args in the command's place", () => {
    const both = image({ Entrypoint: ["e"], Cmd: ["c"] });
    assert.deepEqual(specWith(options.withImageConfig(both)).process?.args, ["e", "c"]);
    assert.deepEqual(specWith(options.withImageConfig(both, { args: ["x", "y"] })).process?.args, ["e", "x", "y"]);
    assert.deepEqual(specWith(options.withImageConfig(both, { args: [] })).process?.args, ["e"]);
    assert.deepEqual(specWith(options.withImageConfig(image({ Cmd: ["c"] }), { args: ["x"] })).process?.args, ["x"]);
    assert.throws(() => options.withImageConfig(image(undefined)), InvalidArgumentError);
  });

  it("takes environment, directory and a user in numbers", () => {
    const config = image({ Cmd: ["c"], Env: ["PATH=/bin", "A=b=c", "EMPTY"], WorkingDir: "/w", User: "5:6" });
    const { process } = specWith(options.withImageConfig(config));
    assert.deepEqual(process?.env, ["PATH=/bin", "A=b=c", "EMPTY="]);
    assert.equal(process?.cwd, "/w");
    assert.deepEqual(process?.user, { uid: 5, gid: 6, additionalGids: [6] });
    assert.equal(specWith(options.withImageConfig(image({ Cmd: ["c"], WorkingDir: "" }))).process?.cwd, "/");
  });

  it("never runs a named user as root", () => {
    const config = image({ Cmd: ["c"], User: "app" });
    assert.throws(() => options.withImageConfig(config), FailedPreconditionError);
    assert.throws(() => options.withImageConfig(image({ Cmd: ["c"], User: "5:app" })), FailedPreconditionError);
    const user = { uid: 7, gid: 8, additionalGids: [8, 9] };
    assert.deepEqual(specWith(options.withImageConfig(config, { user })).process?.user, user);
  });
});

describe("options of the process", () => {
  it("changes the environment and keeps its order", () => {
    const { process } = specWith(
      options.withEnv({ A: "1", B: "2" }),
      options.withEnv({ PATH: "/p", A: null, C: "", D: null }),
    );
    assert.deepEqual(process?.env, ["PATH=/p", "B=2", "C="]);
    for (const bad of [{ "": "x" }, { "a=b": "x" }, { a: "\0" }]) {
      assert.throws(() => options.withEnv(bad), InvalidArgumentError);
    }
  });

  it("sets command line, directory, host name, annotations", () => {
    const spec = specWith(
      options.withArgs("a", "b"),
      options.withCwd("/c"),
      options.withHostname("h"),
      options.withAnnotations({ k: "1", l: "2" }),
      options.withAnnotations({ l: "3" }),
    );
    assert.deepEqual(spec.process?.args, ["a", "b"]);
    assert.equal(spec.process?.cwd, "/c");
    assert.equal(spec.hostname, "h");
    assert.deepEqual(spec.annotations, { k: "1", l: "3" });
    assert.throws(() => options.withArgs(), InvalidArgumentError);
  });

  it("gives and takes a terminal", () => {
    const given = specWith(options.withTerminal(true, { width: 80, height: 24 }));
    assert.equal(given.process?.terminal, true);
    assert.deepEqual(given.process?.consoleSize, { width: 80, height: 24 });
    assert.equal(given.process?.env?.includes("TERM=xterm"), true);
    options.withTerminal(false)(given);
    assert.equal(given.process?.terminal, false);
    assert.equal("consoleSize" in (given.process ?? {}), false);
    const own = specWith(options.withEnv({ TERM: "vt100" }), options.withTerminal());
    assert.equal(own.process?.env?.filter((entry) => entry.startsWith("TERM=")).join(), "TERM=vt100");
  });

  it("replaces a limit of the same type, and allows new privileges", () => {
    const spec = specWith(
      options.withRlimit("RLIMIT_NOFILE", 5, 18446744073709551615n),
      options.withNoNewPrivileges(false),
    );
    assert.deepEqual(spec.process?.rlimits, [{ type: "RLIMIT_NOFILE", soft: 5, hard: 18446744073709551615n }]);
    assert.equal(spec.process?.noNewPrivileges, false);
  });
});

describe("options of isolation", () => {
  const kinds = (spec: Spec): readonly string[] => (spec.linux?.namespaces ?? []).map(({ type }) => type);

  it("shares and joins namespaces", () => {
    const spec = specWith(
      options.withHostname("h"),
      options.withHostNamespace("uts"),
      options.withHostNamespace("pid"),
      options.withNamespacePath("network", "/n"),
      options.withNamespacePath("user", "/u"),
    );
    assert.deepEqual(kinds(spec), ["ipc", "mount", "network", "user"]);
    assert.deepEqual(spec.linux?.namespaces?.slice(2), [
      { type: "network", path: "/n" },
      { type: "user", path: "/u" },
    ]);
    assert.equal("hostname" in spec, false);
  });

  it("sets, adds and drops capabilities in every set", () => {
    const added = specWith(options.withCapabilities("CAP_KILL"), options.withAddedCapabilities("CAP_BPF", "CAP_KILL"));
    const both = ["CAP_KILL", "CAP_BPF"];
    assert.deepEqual(added.process?.capabilities, { bounding: both, effective: both, permitted: both });
    const ambient = specWith(options.withCapabilities("CAP_KILL", "CAP_BPF"), (spec) => {
      if (spec.process)
        spec.process.capabilities = { ...spec.process.capabilities, ambient: ["CAP_KILL", "CAP_CHOWN"] };
    });
    options.withDroppedCapabilities("CAP_KILL")(ambient);
    const left = ["CAP_BPF"];
    assert.deepEqual(ambient.process?.capabilities, {
      bounding: left,
      effective: left,
      permitted: left,
      ambient: ["CAP_CHOWN"],
    });
    assert.throws(() => options.withCapabilities("chown"), InvalidArgumentError);
  });

  it("takes the walls down", () => {
    const spec = specWith((own) => {
      if (own.linux) own.linux.seccomp = { defaultAction: "SCMP_ACT_ERRNO" };
      if (own.process) own.process.apparmorProfile = "x";
    }, options.withPrivileged());
    assert.equal(spec.process?.capabilities?.bounding?.length, 41);
    assert.equal(new Set(spec.process?.capabilities?.effective).size, 41);
    assert.equal(spec.process?.noNewPrivileges, false);
    assert.equal("apparmorProfile" in (spec.process ?? {}), false);
    assert.equal("seccomp" in (spec.linux ?? {}), false);
    assert.deepEqual([spec.linux?.maskedPaths, spec.linux?.readonlyPaths], [[], []]);
    assert.deepEqual(spec.linux?.resources?.devices, [{ allow: true, access: "rwm" }]);
    const sysfs = spec.mounts?.find(({ type }) => type === "sysfs");
    assert.deepEqual(sysfs?.options, ["nosuid", "noexec", "nodev", "rw"]);
  });

  it("adds devices with their rules", () => {
    const spec = specWith(
      options.withDevices({ path: "/dev/fuse", type: "c", major: 10, minor: 229 }, { path: "/dev/pipe", type: "p" }),
    );
    assert.equal(spec.linux?.devices?.length, 2);
    const rule = { allow: true, type: "c", major: 10, minor: 229, access: "rwm" };
    assert.deepEqual(spec.linux?.resources?.devices?.at(-1), rule);
  });

  it("removes seccomp without making sections", () => {
    const spec: Spec = { ociVersion: "1.1.0" };
    options.withoutSeccomp()(spec);
    assert.deepEqual(spec, { ociVersion: "1.1.0" });
  });
});

describe("options of mounts and resources", () => {
  it("adds and removes mounts, and makes the root read-only", () => {
    const mine = { destination: "/data", type: "bind", source: "/srv", options: ["rbind"] };
    const spec = specWith(
      options.withMounts(mine),
      options.withoutMounts("/run", "/dev/mqueue"),
      options.withReadonlyRootFS(),
    );
    assert.deepEqual(
      spec.mounts?.map(({ destination }) => destination),
      ["/proc", "/dev", "/dev/pts", "/dev/shm", "/sys", "/data"],
    );
    spec.mounts?.at(-1)?.options?.push("ro");
    assert.deepEqual(mine.options, ["rbind"]);
    assert.deepEqual(spec.root, { path: "rootfs", readonly: true });
  });

  it("limits memory, CPU time and processes beside what is there", () => {
    const spec = specWith(
      options.withMemoryLimit(64 * 1024 * 1024),
      options.withCpuShares(512),
      options.withCpuQuota(50_000),
      options.withPidsLimit(100),
      options.withCgroupsPath("/x/y"),
    );
    const { devices, ...limits } = spec.linux?.resources ?? {};
    assert.deepEqual(limits, {
      memory: { limit: 67108864 },
      cpu: { shares: 512, quota: 50_000, period: 100_000 },
      pids: { limit: 100 },
    });
    assert.equal(devices?.length, 10);
    assert.equal(spec.linux?.cgroupsPath, "/x/y");
    for (const make of [options.withMemoryLimit, options.withPidsLimit, options.withCpuShares, options.withCpuQuota]) {
      for (const value of [-2, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
        assert.throws(() => make(value), InvalidArgumentError);
    }
  });

  it("works on a spec that has nothing yet", () => {
    const spec: Spec = { ociVersion: "1.1.0" };
    for (const option of [options.withArgs("a"), options.withMemoryLimit(1), options.withHostNamespace("pid")])
      option(spec);
    assert.deepEqual(spec, {
      ociVersion: "1.1.0",
      process: { user: { uid: 0, gid: 0 }, cwd: "/", args: ["a"] },
      linux: { resources: { memory: { limit: 1 } }, namespaces: [] },
    });
  });
});
