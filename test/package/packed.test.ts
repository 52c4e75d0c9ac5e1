import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { type DescFile, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { repositoryRoot } from "../../lab/repository.js";
import * as compiled from "../../src/api/index.js";
import { modulesLoadedBy } from "../house/loaded-modules.js";
import { publicNames } from "../house/public-names.js";

const run = promisify(execFile);
const root = repositoryRoot();
const name = "containerd-client";
/** What importing the front door takes grows with every file. */
const MOST_FILES = 9;

const onNode = process.versions["bun"] === undefined && process.versions["deno"] === undefined;

describe("the packed package", { skip: onNode ? false : "npm packs it, and Node.js tells what it loads" }, () => {
  let home = "";
  let installed = "";

  before(async () => {
    assert.ok(existsSync(join(root, "dist/chunks")), "dist/ is not bundled: npm run bundle");
    home = await mkdtemp(join(tmpdir(), "packed-"));
    installed = join(home, "node_modules", name);
    await mkdir(installed, { recursive: true });
    const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", home], {
      cwd: root,
    });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    await run("tar", ["-xf", join(home, filename), "-C", installed, "--strip-components=1"]);
    // Of protobuf each has its own: the package, the program, and connect.
    await cp(join(root, "node_modules/@bufbuild/protobuf"), join(home, "node_modules/@bufbuild/protobuf"), {
      recursive: true,
      dereference: true,
    });
    for (const dependency of ["@connectrpc", "fzstd", "tar-stream"])
      await symlink(join(root, "node_modules", dependency), join(home, "node_modules", dependency));
    await cp(join(root, ".build/test/package/stranger.js"), join(home, "stranger.mjs"));
  });
  after(() => rm(home, { recursive: true, force: true }));

  it("has every name of every entry", async () => {
    for (const [entry, { values }] of Object.entries(publicNames)) {
      const module = (await import(pathToFileURL(join(installed, "dist", entry, "index.js")).href)) as object;
      assert.deepEqual(Object.keys(module).sort(), [...values].sort(), entry);
      for (const [known, value] of Object.entries(module))
        if (typeof value === "function") assert.equal(value.name, known);
    }
  });

  it("serves a program that has nothing else", async () => {
    // Those of the runner would have it report to the runner.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const ran = run(process.execPath, ["--test", "stranger.mjs"], { cwd: home, env, timeout: 60_000 });
    await ran.catch(({ stdout, stderr }: { stdout: string; stderr: string }) => assert.fail(`${stdout}${stderr}`));
  });

  it("describes the wire as it was generated", async () => {
    const packed = (await import(pathToFileURL(join(installed, "dist/api/index.js")).href)) as typeof compiled;
    const files = (api: object) =>
      Object.values(api).flatMap((room: object) =>
        Object.values(room).filter((value: { kind?: unknown }): value is DescFile => value.kind === "file"),
      );
    const texts = (api: object) =>
      new Map(
        files(api).map(({ proto }) => [
          proto.name,
          Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString("hex"),
        ]),
      );
    assert.ok(texts(compiled).size >= 19);
    assert.deepEqual(texts(packed), texts(compiled));
  });

  it("has a command", async () => {
    const { bin } = JSON.parse(await readFile(join(installed, "package.json"), "utf8")) as { bin: string };
    const { stdout } = await run(process.execPath, [join(installed, bin), "--help"]);
    assert.match(stdout, /recover[\s\S]*sweep/);
  });

  it("loads little", async () => {
    const loaded = async (entry: string) => {
      const { packages, paths } = await modulesLoadedBy(`import ${JSON.stringify(entry)};`, home);
      assert.deepEqual(packages, [name], entry);
      return paths.length;
    };
    const most = await loaded(name);
    assert.ok(most <= MOST_FILES, `${most} files`);
    for (const entry of ["oci", "leases", "api"]) await loaded(`${name}/${entry}`);
  });
});
