import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../lab/command.js";
import { whyNoLab } from "../../lab/preflight.js";
import { prepareStrace } from "../../lab/strace.js";

const PROGRAM = fileURLToPath(new URL("./layout-victim.js", import.meta.url));

/** What a process asked of the kernel, in its order. */
type Request =
  | { readonly kind: "sync"; readonly path: string }
  | { readonly kind: "rename"; readonly from: string; readonly path: string }
  | { readonly kind: "mkdir"; readonly path: string }
  | { readonly kind: "say"; readonly word: string };

function requestsOf(log: string): Request[] {
  return log.split("\n").flatMap((line): Request[] => {
    const [, synced] = /\bf(?:data)?sync\(\d+<([^>]+)>/.exec(line) ?? [];
    if (synced !== undefined) return [{ kind: "sync", path: synced }];
    const [, from, to] =
      /\brename\w*\((?:\w+(?:<[^>]*>)?, )?"([^"]+)", (?:\w+(?:<[^>]*>)?, )?"([^"]+)"/.exec(line) ?? [];
    if (from !== undefined && to !== undefined) return [{ kind: "rename", from, path: to }];
    const [, made] = /\bmkdir\w*\((?:\w+(?:<[^>]*>)?, )?"([^"]+)", \w+/.exec(line) ?? [];
    if (made !== undefined) return [{ kind: "mkdir", path: made }];
    const [, word] = /\bwrite\(1<[^>]*>, "(blob|tag|open) /.exec(`${line} `.replace("\\n", " ")) ?? [];
    return word === undefined ? [] : [{ kind: "say", word }];
  });
}

it("what a layout said to have is on the disk, not only on its way there", {
  skip: (await whyNoLab()) ?? false,
}, async () => {
  const strace = await prepareStrace();
  const base = await mkdtemp(join(tmpdir(), "layout-durable-"));
  const [directory, log] = [join(base, "new", "layout"), join(base, "log")];
  const traced = "trace=fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,write";
  const args = [
    "-f",
    "-y",
    "-s",
    "16",
    "-o",
    log,
    "-e",
    traced,
    process.execPath,
    PROGRAM,
    directory,
    "me",
    "ref",
    "6",
  ];
  await runCommand(strace, args, { env: { ...process.env, UV_USE_IO_URING: "0" } });
  const requests = requestsOf(await readFile(log, "utf8"));

  const lasting: string[] = [];
  for (const [at, request] of requests.entries()) {
    if (!("path" in request) || request.kind === "sync" || request.path.includes("/ingests/")) continue;
    const isSync = (path: string) => (one: Request) => one.kind === "sync" && one.path === path;
    if (request.kind === "rename") {
      assert.ok(requests.slice(0, at).some(isSync(request.from)), `${request.path} was renamed before it was synced`);
    }
    const rest = requests.slice(at);
    const said = rest.findIndex((one) => one.kind === "say");
    const entered = rest.findIndex(isSync(dirname(request.path)));
    assert.ok(entered > 0 && entered < said, `${request.path} was said to be there before its directory was synced`);
    lasting.push(relative(directory, request.path).split("/")[0] ?? "");
  }
  const count = (name: string) => lasting.filter((one) => one === name).length;
  assert.deepEqual(
    [count("oci-layout"), count("blobs"), count("index.json"), count(".containerd-client")],
    [1, 8, 7, 11],
    "the version, six blobs with their labels, six tags, and the directories",
  );
  await rm(base, { recursive: true });
});
