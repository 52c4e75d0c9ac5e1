import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { repositoryRoot } from "../../lab/repository.js";
import { declarationsOf, exportedNames, foreignImports, readManifest, specifierOf } from "./entries.js";
import { publicNames } from "./public-names.js";

const MOST_AT_THE_FRONT_DOOR = 80;
const entries = Object.keys(publicNames);

/** Node has `require()` of ES modules since these. */
function requiresModules(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
}

describe("the public names", () => {
  let stranger: string;

  /** Runs a program that has this package as its only dependency, and reads what it prints. */
  const run = async (file: string, source: string): Promise<unknown> => {
    const path = join(stranger, file);
    await writeFile(path, source);
    const { stdout } = await promisify(execFile)(process.execPath, [path]);
    return JSON.parse(stdout);
  };

  before(async () => {
    stranger = await mkdtemp(join(tmpdir(), "stranger-"));
    await mkdir(join(stranger, "node_modules"));
    await symlink(repositoryRoot(), join(stranger, "node_modules", readManifest().name));
  });
  after(() => rm(stranger, { recursive: true }));

  it("are those of package.json's entries", () => {
    const { exports } = readManifest();
    assert.deepEqual(Object.keys(exports), [...entries, "./package.json"]);
    for (const entry of entries) {
      const directory = join("dist", entry);
      assert.deepEqual(exports[entry], { types: `./${directory}/index.d.ts`, default: `./${directory}/index.js` });
    }
  });

  for (const [entry, { values, types }] of Object.entries(publicNames)) {
    it(`of ${specifierOf(entry)} are these and no others`, async () => {
      const module = (await import(specifierOf(entry))) as object;
      assert.deepEqual(Object.keys(module).sort(), values, "when the program runs");
      assert.deepEqual(exportedNames(entry), { values, types }, "for TypeScript");
    });
  }

  it(`are at most ${MOST_AT_THE_FRONT_DOOR} at the front door`, () => {
    const front = publicNames["."];
    assert.ok(front);
    const count = front.values.length + front.types.length;
    assert.ok(count <= MOST_AT_THE_FRONT_DOOR, `there are ${count}`);
  });

  it("need the types of protobuf and of Node only, never those of the transport's library", () => {
    const allowed = /^(?:@bufbuild\/protobuf(?:\/codegenv2|\/wkt)?|node:[\w/]+)$/;
    for (const entry of entries) {
      const imports = foreignImports(entry);
      assert.ok(imports.has(declarationsOf(entry)));
      for (const [file, targets] of imports) {
        const foreign = targets.filter((target) => !allowed.test(target));
        assert.deepEqual(foreign, [], relative(repositoryRoot(), file));
      }
    }
    assert.ok(foreignImports(".").size > 50, "the reader of declarations follows imports");
  });

  const why = requiresModules() ? false : `Node ${process.versions.node} cannot require() ES modules`;
  it("can be required from CommonJS", { skip: why }, async () => {
    const asked = JSON.stringify(entries.map(specifierOf));
    const source = `console.log(JSON.stringify(${asked}.map((name) => Object.keys(require(name)).sort())));`;
    assert.deepEqual(
      await run("stranger.cjs", source),
      Object.values(publicNames).map(({ values }) => values),
    );
  });

  it("can be imported without a trace: no global, no listener, no environment, nothing that keeps the process", async () => {
    const imports = entries.map((entry) => `await import(${JSON.stringify(specifierOf(entry))});`).join("\n");
    const source = `
      import "node:http2"; import "node:tls"; import "node:fs/promises"; import "node:crypto"; import "node:zlib";
      import "node:stream/promises"; import "node:timers/promises"; import "node:os";
      const builtins = [globalThis, process, ...Object.getOwnPropertyNames(globalThis)
        .map((name) => Object.getOwnPropertyDescriptor(globalThis, name)?.value)
        .filter((value) => typeof value === "function" && value.prototype !== undefined)
        .flatMap((value) => [value, value.prototype])];
      const trace = () => ({
        names: builtins.map((one) => Reflect.ownKeys(one).map(String)),
        listeners: process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
        environment: { ...process.env },
        resources: process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap" && name !== "TTYWrap"),
      });
      const before = trace();
      ${imports}
      console.log(JSON.stringify({ before, after: trace() }));
    `;
    const { before: untouched, after: imported } = (await run("stranger.mjs", source)) as {
      before: Record<string, unknown>;
      after: Record<string, unknown>;
    };
    assert.deepEqual(imported, untouched);
  });
});
