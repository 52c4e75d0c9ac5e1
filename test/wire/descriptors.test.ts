import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { generatedFiles, verifyBinary } from "../../scripts/descriptors/verify.js";
import { wireFacts } from "../../scripts/descriptors/wire-facts.js";

const SERVICES = [
  "containers.v1.Containers",
  "content.v1.Content",
  "diff.v1.Diff",
  "events.v1.Events",
  "images.v1.Images",
  "introspection.v1.Introspection",
  "leases.v1.Leases",
  "namespaces.v1.Namespaces",
  "snapshots.v1.Snapshots",
  "tasks.v1.Tasks",
  "version.v1.Version",
].map((name) => `containerd.services.${name}`);

const binaries = (process.env["CONTAINERD_BINARIES"] ?? "").split(":").filter((path) => path !== "");
const skip = binaries.length === 0 && "CONTAINERD_BINARIES names no containerd binaries to compare with";

describe("our description of the wire", () => {
  it("equals the one inside each real daemon", { skip }, async (t) => {
    for (const path of binaries) {
      await t.test(path, async () => {
        const verdict = await verifyBinary(path);
        assert.deepEqual(verdict.defects, []);
        const compared = new Set(verdict.compared);
        assert.deepEqual(
          SERVICES.filter((name) => !compared.has(name)),
          [],
        );
      });
    }
  });

  it("holds every service", () => {
    const ours = wireFacts(generatedFiles());
    assert.deepEqual(
      SERVICES.filter((name) => ours.get(name)?.kind !== "service"),
      [],
    );
  });
});
