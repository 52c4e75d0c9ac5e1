import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import { busyboxPath } from "../../lab/busybox.js";
import { CheckpointOptionsSchema, OptionsSchema } from "../../src/api/types/runc/options/oci_pb.js";
import { Client } from "../../src/client/client.js";
import { createEmbedded } from "../../src/embedded/embedded.js";
import { ociRuntime } from "../../src/embedded/runtime/oci/oci-runtime.js";
import type { ProcessIO } from "../../src/embedded/runtime/process-io.js";
import type { Runtime, RuntimeTask } from "../../src/embedded/runtime/runtime.js";
import { isContainerdError, isFailedPrecondition } from "../../src/errors.js";
import { defaultSpec } from "../../src/oci/default-spec.js";
import type { SpecOption } from "../../src/oci/runtime-spec.js";
import { withNamespacePath } from "../../src/oci/spec-isolation.js";
import { ociPrograms, removeCgroups, whyNoOciRuntime } from "./oci-programs.js";
import { simulatedImage } from "./task-beds.js";

const noIO: ProcessIO = { stdin: "", stdout: "", stderr: "", terminal: false };
const COUNT = [
  "sh",
  "-c",
  "i=0; mkfifo /never; exec 3<>/never; while :; do i=$((i+1)); echo $i; echo $i >> /count; read -t 0.05 x <&3; done",
];

const CGROUPS = `oci-runtime-test-${process.pid}`;

describe("an OCI runtime", { skip: whyNoOciRuntime() }, () => {
  let runtime: Runtime;
  let directory = "";
  let serial = 0;
  let tasks: RuntimeTask[] = [];
  const fresh = (): string => join(directory, String(++serial));

  const files = async (): Promise<string> => {
    const root = fresh();
    for (const name of ["bin", "dev", "proc", "sys", "run", "tmp"]) await mkdir(join(root, name), { recursive: true });
    await copyFile(await busyboxPath(), join(root, "bin/busybox"));
    await chmod(join(root, "bin/busybox"), 0o755);
    for (const name of ["sh", "sleep", "cat", "mkfifo", "stty"]) await symlink("busybox", join(root, "bin", name));
    return root;
  };
  const made = async (
    args: readonly string[],
    more: { io?: ProcessIO; root?: string; dump?: string; edit?: SpecOption } = {},
  ) => {
    const id = `t${++serial}`;
    const root = more.root ?? (await files());
    const spec = defaultSpec({ id, namespace: CGROUPS });
    spec.process = { ...spec.process, args: [...args], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } };
    if (more.io?.terminal) spec.process.terminal = true;
    more.edit?.(spec);
    const task = await runtime.create({
      namespace: "test",
      id,
      state: join(directory, "state"),
      bundle: join(directory, "state", "bundles", id),
      work: join(directory, "work", id),
      spec,
      rootfs: [
        { $typeName: "containerd.types.Mount", type: "bind", source: root, target: "", options: ["rbind", "rw"] },
      ],
      tree: {
        directory: root,
        readFile: (path) => readFile(join(root, path)),
        writeFile: (path, bytes) => writeFile(join(root, path), bytes),
      },
      io: more.io ?? noIO,
      options: create(OptionsSchema),
      dump: more.dump,
    });
    tasks.push(task);
    return { task, root };
  };
  const started = async (...given: Parameters<typeof made>) => {
    const result = await made(...given);
    await result.task.start();
    return result;
  };
  const counts = async (root: string, from = 0): Promise<number> => {
    for (let tries = 0; tries < 200; tries++) {
      // A pause may come before a line is written, but never while there is none.
      const lines = (await readFile(join(root, "count"), "utf8").catch(() => "")).split("\n");
      const count = Number(lines.at(-2) ?? 0);
      if (count > from) return count;
      await sleep(20);
    }
    throw new Error(`it does not count beyond ${from}`);
  };
  const pipes = async () => {
    const parent = await mkdtemp(join(directory, "fifos-"));
    const [stdin = "", stdout = "", stderr = ""] = ["in", "out", "err"].map((name) => join(parent, name));
    await promisify(execFile)("mkfifo", [stdin, stdout, stderr]);
    return { stdin, stdout, stderr };
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "oci-runtime-"));
    runtime = await ociRuntime(await ociPrograms(directory));
  });
  afterEach(async () => {
    for (const task of tasks) await task.delete();
    tasks = [];
    assert.deepEqual(await mountsIn(directory), []);
  });
  after(async () => {
    await runtime.close();
    assert.deepEqual(await mountsIn(directory), []);
    await rm(directory, { recursive: true, force: true });
    await removeCgroups(CGROUPS);
  });

  it("is looked for, and refused when it is not there", async () => {
    await assert.rejects(ociRuntime({ program: join(directory, "no-such-program") }), isFailedPrecondition);
  });

  it("runs nothing whose files are in memory", async () => {
    const containerd = await createEmbedded({ runtime });
    try {
      const client = new Client({ transport: containerd.transport, namespace: "default" });
      await simulatedImage(client, "docker.io/library/files:1");
      const container = await client.containers.create("c", {
        image: "docker.io/library/files:1",
        args: ["sleep", "1"],
      });
      await assert.rejects(container.newTask(), (error) => {
        assert.ok(isFailedPrecondition(error), String(error));
        return /in memory; runc needs .* root/.test(error.message);
      });
    } finally {
      await containerd.close();
    }
  });

  it("makes containers that wait for their start, and says how they ended", async () => {
    const { task } = await made(["sh", "-c", "exit 7"]);
    assert.ok(task.pid > 0);
    await access(`/proc/${task.pid}`, constants.R_OK);
    assert.deepEqual(await task.pids(), [task.pid]);
    assert.equal(await task.start(), task.pid);
    assert.equal((await task.exited).exitStatus, 7);
    const { task: killed } = await started(["sleep", "1000"]);
    await killed.kill(9, false);
    assert.equal((await killed.exited).exitStatus, 137);
    const { task: never } = await made(["sleep", "1000"]);
    await never.kill(9, false);
    assert.equal((await never.exited).exitStatus, 137);
  });

  it("says in its own words why a container cannot be made or started", async () => {
    await assert.rejects(made(["true"], { edit: withNamespacePath("pid", "/nowhere") }), (error) => {
      assert.ok(isContainerdError(error, "unknown"), String(error));
      assert.match(error.message, /OCI runtime create failed: .*nowhere/);
      return true;
    });
    const { task } = await made(["nosuch"]);
    await assert.rejects(task.start(), /OCI runtime start failed: .*exec: "nosuch": executable file not found/);
  });

  it("carries streams through named pipes and files", async () => {
    const io = await pipes();
    const { task } = await made(["cat"], { io: { ...io, terminal: false } });
    const output = readFile(io.stdout, "utf8");
    const input = await open(io.stdin, constants.O_WRONLY | constants.O_NONBLOCK);
    await task.start();
    await input.write("hello\n");
    await input.close();
    await task.closeStdin();
    assert.equal((await task.exited).exitStatus, 0);
    assert.equal(await output, "hello\n");
    const log = `file://${directory}/deep/log`;
    const { task: writer } = await started(["sh", "-c", "echo a; echo b >&2"], {
      io: { stdin: "", stdout: log, stderr: log, terminal: false },
    });
    assert.equal((await writer.exited).exitStatus, 0);
    assert.deepEqual((await readFile(join(directory, "deep/log"), "utf8")).split("\n").sort(), ["", "a", "b"]);
  });

  it("runs further processes", async () => {
    const { task } = await started(["sleep", "1000"]);
    const process = { args: ["sh", "-c", "exit 9"], cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 } };
    const exec = await task.exec("e", process, noIO);
    await exec.start();
    assert.equal((await exec.exited).exitStatus, 9);
    await exec.delete();
    const sleeper = await task.exec("s", { ...process, args: ["sleep", "1000"] }, noIO);
    const pid = await sleeper.start();
    assert.deepEqual(new Set(await task.pids()), new Set([task.pid, pid]));
    await sleeper.kill(15, false);
    assert.equal((await sleeper.exited).exitStatus, 143);
    const broken = await task.exec("b", { ...process, args: ["nosuch"] }, noIO);
    await assert.rejects(broken.start(), /OCI runtime exec failed: .*executable file not found/);
  });

  it("stands still in a pause, measures and updates", async () => {
    const { task, root } = await started(COUNT);
    await counts(root, 2);
    await task.pause();
    const frozen = await counts(root);
    await sleep(200);
    assert.equal(await counts(root), frozen);
    await task.resume();
    await counts(root, frozen);
    await task.update({ pids: { limit: 50 } });
    assert.ok((await task.metrics()).value.length > 10);
    await task.pause();
    await task.kill(9, false);
    assert.equal((await task.exited).exitStatus, 137);
  });

  it("is saved by criu and thawed, beside the original and in its place", async () => {
    const { task, root } = await started(COUNT);
    await counts(root, 2);
    const dump = fresh();
    await task.pause();
    await task.checkpoint(dump, create(CheckpointOptionsSchema));
    const frozen = await counts(root);
    const copy = fresh();
    await promisify(execFile)("cp", ["-a", root, copy]);
    assert.ok((await readdir(dump)).includes("inventory.img"));
    await task.resume();
    const { task: thawed } = await made(["anything"], { root: copy, dump });
    assert.equal(thawed.pid, 0);
    assert.ok((await thawed.start()) > 0);
    const number = await counts(copy, frozen);
    assert.ok(number - frozen < 50, `${frozen} → ${number}`);
    await counts(root, frozen);
    await thawed.checkpoint(fresh(), create(CheckpointOptionsSchema, { exit: true }));
    assert.equal((await thawed.exited).exitStatus, 137);
  });

  it("gives criu's log a name when a thaw fails, and nothing stays", async () => {
    const { task, root } = await started(["sh", "-c", "exec 3>/open; while :; do read -t 1 x <&3 || :; done"]);
    await sleep(100);
    const dump = fresh();
    await task.checkpoint(dump, create(CheckpointOptionsSchema));
    await rm(join(root, "open"));
    const { task: thawed } = await made(["anything"], { dump });
    await assert.rejects(thawed.start(), /OCI runtime restore failed: criu failed/);
    await thawed.delete();
  });

  it("gives a terminal, and its size", async () => {
    const io = await pipes();
    const { task } = await made(["sh"], { io: { ...io, stderr: "", terminal: true } });
    const output = readFile(io.stdout, "utf8");
    const input = await open(io.stdin, constants.O_WRONLY | constants.O_NONBLOCK);
    await task.start();
    await task.resize(91, 33);
    await input.write("stty size\n");
    await sleep(300);
    await input.write("exit 5\n");
    assert.equal((await task.exited).exitStatus, 5);
    await input.close();
    assert.match(await output, /33 91/);
  });

  it("takes away what a process that was killed left behind", async () => {
    const { task, root } = await started(["sleep", "1000"]);
    assert.equal((await mountsIn(directory)).length, 1);
    const other = await ociRuntime(await ociPrograms(directory));
    await other.recover(join(directory, "state"));
    assert.deepEqual(await mountsIn(directory), []);
    assert.equal((await task.exited).exitStatus, 137);
    await access(join(root, "bin/busybox"));
    tasks = [];
  });
});

async function mountsIn(directory: string): Promise<string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "").filter((path) => path.startsWith(directory));
}
