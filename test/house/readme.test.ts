import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { repositoryRoot } from "../../lab/repository.js";
import { errorFor } from "../../src/errors.js";
import { readManifest } from "./entries.js";

const documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "PERFORMANCE.md", "CHANGELOG.md"];
const MOST_LINES_OF_CODE = 12;

/** npm's own; they are not among the scripts. */
const commandsOfNpm = new Set(["ci"]);

function read(path: string): string {
  return readFileSync(join(repositoryRoot(), path), "utf8");
}

/** A heading as the anchor of a link: what remains of it in a URL. */
function anchorsOf(path: string): string[] {
  const headings = [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

describe("the documents", () => {
  const readme = read("README.md");

  it("begin with code that is short, and is the example that is type-checked and run", () => {
    const [, block = ""] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
    const [, example] = /^(?:\/\/.*\n)+([\s\S]*)$/.exec(read("examples/readme.ts")) ?? [];
    assert.equal(block, example);
    const lines = block.split("\n").filter((line) => line.trim() !== "");
    assert.ok(lines.length >= 5 && lines.length <= MOST_LINES_OF_CODE, `${lines.length} lines of code`);
  });

  it("link to what is there", () => {
    let count = 0;
    for (const path of documents) {
      for (const [link, target = ""] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        count++;
        const [file = "", anchor] = target.split("#");
        const linked = file === "" ? path : join(dirname(path), file);
        assert.ok(existsSync(join(repositoryRoot(), linked)), `${path}: ${link}`);
        if (anchor !== undefined) assert.ok(anchorsOf(linked).includes(anchor), `${path}: ${link}`);
      }
    }
    assert.ok(count >= 5, "the reader of links finds them");
  });

  it("name files of the sources that are there", () => {
    for (const path of documents) {
      for (const [, name = ""] of read(path).matchAll(/`((?:src|test|lab|scripts|bench|examples|proto)\/[^`\s]*)`/g)) {
        if (!name.includes("*")) assert.ok(existsSync(join(repositoryRoot(), name)), `${path}: ${name}`);
      }
    }
  });

  it("name npm's commands as package.json has them", () => {
    const { scripts } = readManifest();
    let count = 0;
    for (const path of documents) {
      const code = [...read(path).matchAll(/```[\s\S]*?```|`[^`]+`/g)].join("\n");
      for (const [command, run, name = ""] of code.matchAll(/\bnpm (run )?([a-z][\w:-]*)/g)) {
        count++;
        if (run === undefined && commandsOfNpm.has(name)) continue;
        assert.ok(name in scripts, `${path}: ${command}`);
        assert.ok(run !== undefined || name === "test", `${path}: ${command} needs "run"`);
      }
    }
    assert.ok(count >= 4, "the reader of commands finds them");
  });

  it("pair each error code with its class, and name predicates that exist", async () => {
    const rows = [...readme.matchAll(/^\| `([a-z_]+)` \| `(\w+Error)` \|/gm)];
    assert.ok(rows.length >= 8, "the reader of the table finds its rows");
    for (const [, code = "", name] of rows) {
      assert.equal(errorFor(code as Parameters<typeof errorFor>[0], "").name, name);
    }
    const front: object = await import("../../src/index.js");
    for (const [, name = ""] of readme.matchAll(/`((?:is|with|connect|fromEnv)\w*)\(/g)) {
      assert.ok(name in front, `README.md: ${name}`);
    }
  });
});
