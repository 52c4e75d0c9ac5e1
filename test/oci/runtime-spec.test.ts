import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidArgumentError, ResourceExhaustedError } from "../../src/errors.js";
import { defaultSpec } from "../../src/oci/default-spec.js";
import { encodeSpec, parseSpec, type Spec } from "../../src/oci/runtime-spec.js";
import { withArgs } from "../../src/oci/spec-process.js";
import { withCpuShares } from "../../src/oci/spec-resources.js";
import { withUser } from "../../src/oci/spec-user.js";
import { fixture, textOf } from "./documents.js";

describe("parseSpec", () => {
  it("reads what ctr wrote, and loses nothing on the way back", () => {
    const bytes = fixture("ctr-runtime-spec.blob");
    const spec = parseSpec(bytes);
    assert.equal(spec.linux?.cgroupsPath, "/default/cc1");
    assert.deepEqual(JSON.parse(textOf(encodeSpec(spec))), JSON.parse(textOf(bytes)));
    assert.deepEqual(parseSpec(encodeSpec(spec)), spec);
  });

  it("keeps limits of 64 bits to the digit", () => {
    const text =
      '{"linux":{"resources":{"memory":{"limit":9223372036854771712}}},"ociVersion":"1.1.0","process":{"cwd":"/","rlimits":[{"hard":18446744073709551615,"soft":1024,"type":"RLIMIT_CORE"}],"user":{"gid":0,"uid":0}}}';
    const spec = parseSpec(text);
    assert.equal(spec.process?.rlimits?.[0]?.hard, 18446744073709551615n);
    assert.equal(spec.linux?.resources?.memory?.limit, 9223372036854771712n);
    assert.equal(textOf(encodeSpec(spec)), text);
    assert.equal(textOf(encodeSpec(structuredClone(spec))), text);
  });

  it("refuses what has not a spec's outline", () => {
    const bad: unknown[] = [
      null,
      [],
      "x",
      { ociVersion: 1 },
      { process: [] },
      { process: { args: "sh" } },
      { process: { env: [1] } },
      { process: { user: "root" } },
      { root: "x" },
      { root: { path: 1 } },
      { mounts: {} },
      { mounts: ["x"] },
      { annotations: { a: 1 } },
      { linux: 1 },
      { linux: { cgroupsPath: 1 } },
      { linux: { namespaces: "pid" } },
      { linux: { namespaces: [1] } },
      { linux: { resources: [] } },
    ];
    for (const value of bad)
      assert.throws(() => parseSpec(JSON.stringify(value)), InvalidArgumentError, JSON.stringify(value));
    assert.throws(() => parseSpec("{}", { maxSize: 1 }), ResourceExhaustedError);
  });
});

describe("defaultSpec", () => {
  it("is what ctr writes for the same container, but for the version", () => {
    const theirs = parseSpec(fixture("ctr-runtime-spec.blob"));
    const ours = defaultSpec({ id: "cc1", namespace: "default" });
    withArgs(...(theirs.process?.args ?? []))(ours);
    withUser(0, 0)(ours);
    withCpuShares(1024)(ours);
    assert.deepEqual(JSON.parse(textOf(encodeSpec(ours))), { ...theirs, ociVersion: "1.1.0" });
  });

  it("shares nothing between two specs", () => {
    const first = defaultSpec({ id: "a", namespace: "n" });
    first.mounts?.splice(0);
    first.linux?.maskedPaths?.splice(0);
    first.process?.capabilities?.bounding?.splice(0);
    for (const mount of first.mounts ?? []) mount.options?.splice(0);
    const second: Spec = defaultSpec({ id: "a", namespace: "n" });
    assert.equal(second.mounts?.length, 7);
    assert.equal(second.linux?.maskedPaths?.length, 11);
    assert.equal(second.process?.capabilities?.effective?.length, 14);
    assert.equal(second.process?.capabilities?.bounding?.length, 14);
  });

  it("has a cgroup namespace only where asked", () => {
    const kinds = (cgroupNamespace: boolean): readonly string[] =>
      (defaultSpec({ id: "a", namespace: "n", cgroupNamespace }).linux?.namespaces ?? []).map(({ type }) => type);
    assert.deepEqual(kinds(false), ["pid", "ipc", "uts", "mount", "network"]);
    assert.deepEqual(kinds(true), ["pid", "ipc", "uts", "mount", "network", "cgroup"]);
  });
});
