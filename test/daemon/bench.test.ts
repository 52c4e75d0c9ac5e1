import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../lab/command.js";
import { testedReleases } from "./releases.js";

const why = process.env["LAB_WHY_NOT"] ?? "no containerd is prepared: run npm test once";

interface Written {
  readonly machine: { readonly node: string; readonly containerd: string };
  readonly lines: readonly {
    readonly what: string;
    readonly samples: { readonly ours: readonly number[]; readonly theirs: readonly number[] };
  }[];
  readonly failed: readonly string[];
}

// It measures the newest daemon only.
describe("the bench", { skip: testedReleases().includes("v21") ? false : why }, () => {
  it("measures the rows it is asked for, and writes all figures down", async () => {
    const directory = await mkdtemp(join(tmpdir(), "bench-test-"));
    try {
      const json = join(directory, "figures.json");
      const bench = fileURLToPath(new URL("../../bench/main.js", import.meta.url));
      const args = [bench, "--quick", "--rounds", "2", "--json", json, "read", "small-calls"];
      const { stdout } = await runCommand(process.execPath, args);
      const { machine, lines, failed } = JSON.parse(await readFile(json, "utf8")) as Written;
      assert.deepEqual(failed, []);
      assert.equal(machine.node, process.version);
      assert.match(machine.containerd, /^v?2\./);
      for (const { what, samples } of lines) {
        assert.ok(stdout.includes(`| ${what}, `), `${what} is not in the table:\n${stdout}`);
        assert.ok(samples.ours.length >= 2 && samples.ours.every((value) => value >= 0), JSON.stringify(samples));
      }
      const withPeer = lines.filter(({ samples }) => samples.theirs.length > 0).map(({ what }) => what);
      assert.deepEqual(withPeer, ["read 1 GiB over gRPC, sha256, whole process"]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("refuses a row that it does not have", async () => {
    const bench = fileURLToPath(new URL("../../bench/main.js", import.meta.url));
    const { code, stderr } = await runCommand(process.execPath, [bench, "reed"], { allowFailure: true });
    assert.equal(code, 2);
    assert.match(stderr, /no row reed: expected read, write/);
  });
});
