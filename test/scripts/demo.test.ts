import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { repositoryRoot } from "../../lab/repository.js";

describe("the demo", () => {
  it("freezes and thaws where no containerd can be had", async () => {
    const program = join(repositoryRoot(), ".build", "scripts", "demo.js");
    const { CONTAINERD_ADDRESS: _, ...env } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, [program, "--embedded"], { env, timeout: 120_000 });
    assert.match(stdout, /The restored container went on from where it was frozen/);
    assert.match(stdout, /Its copy went on from where it was frozen/);
  });
});
