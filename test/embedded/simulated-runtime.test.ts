import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { constants, createWriteStream } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { create } from "@bufbuild/protobuf";
import { CheckpointOptionsSchema, OptionsSchema } from "../../src/api/types/runc/options/oci_pb.js";
import type { ProcessIO } from "../../src/embedded/runtime/process-io.js";
import type { RuntimeTask } from "../../src/embedded/runtime/runtime.js";
import type { Program } from "../../src/embedded/runtime/simulated/program.js";
import { simulatedRuntime } from "../../src/embedded/runtime/simulated/simulated.js";
import { isContainerdError, isFailedPrecondition, NotFoundError } from "../../src/errors.js";

const noIO: ProcessIO = { stdin: "", stdout: "", stderr: "", terminal: false };
const leaveRunning = create(CheckpointOptionsSchema);

/** Adds up what it reads, a byte at a time, and says the sum at the end. */
const adder: Program = async function* (process) {
  if (process.memory.length === 0) process.memory = new Uint8Array(1);
  const { memory, stdin, stdout } = process;
  for (;;) {
    yield stdin.ready();
    const bytes = stdin.read();
    if (bytes === undefined) break;
    for (const byte of bytes) memory[0] = (memory[0] ?? 0) + byte;
  }
  yield stdout.write(`${memory[0]}\n`);
  return 7;
};

/** Ends when it is told to, with what it is told. */
const polite: Program = async function* (process) {
  process.on("SIGTERM", () => {
    process.memory = Uint8Array.of(3);
  });
  while (process.memory.length === 0) yield 60_000;
  return process.memory[0];
};

const broken: Program = async function* () {
  yield;
  throw new Error("no idea");
};

let workDone = false;
const stubborn: Program = async function* () {
  await sleep(300);
  workDone = true;
  yield 60_000;
  return 0;
};

/** Is in the midst of something whenever it does not yield. */
const busy: Program = async function* (process) {
  process.memory = new Uint8Array(1);
  for (;;) {
    process.memory[0] = 1;
    await sleep(20);
    process.memory[0] = 0;
    yield 1;
  }
};

class Files {
  readonly directory = undefined;
  readonly files = new Map<string, Uint8Array>();

  async readFile(path: string): Promise<Uint8Array> {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new NotFoundError(`${path} is not there`);
    return bytes;
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    this.files.set(path, bytes);
  }

  count(): number {
    return Number(new TextDecoder().decode(this.files.get("/count")));
  }
}

describe("the simulated runtime", () => {
  const runtime = simulatedRuntime({ adder, polite, broken, stubborn, busy });
  let directory = "";
  let serial = 0;
  let tasks: RuntimeTask[] = [];
  const fresh = (): string => join(directory, String(++serial));
  const made = async (args: string[], more: { io?: ProcessIO; tree?: Files; dump?: string } = {}) => {
    const id = String(++serial);
    const task = await runtime.create({
      namespace: "test",
      id,
      state: directory,
      bundle: join(directory, `bundle-${id}`),
      work: join(directory, `work-${id}`),
      spec: { ociVersion: "1.1.0", process: { args, cwd: "/", env: ["A=b"], user: { uid: 0, gid: 0 } } },
      rootfs: [],
      tree: more.tree ?? new Files(),
      io: more.io ?? noIO,
      options: create(OptionsSchema),
      dump: more.dump,
    });
    tasks.push(task);
    return task;
  };
  const started = async (...given: Parameters<typeof made>) => {
    const task = await made(...given);
    await task.start();
    return task;
  };
  const counts = async (tree: Files, from = 0): Promise<number> => {
    for (let tries = 0; tries < 200; tries++) {
      if (tree.files.has("/count") && tree.count() > from) return tree.count();
      await sleep(10);
    }
    throw new Error(`it does not count beyond ${from}`);
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "simulated-"));
  });
  afterEach(async () => {
    for (const task of tasks) await task.delete();
    tasks = [];
  });
  after(async () => {
    await runtime.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("says how programs ended", async () => {
    assert.equal((await (await started(["/bin/true"])).exited).exitStatus, 0);
    assert.equal((await (await started(["false"])).exited).exitStatus, 1);
    assert.equal((await (await started(["sleep", "0.01"])).exited).exitStatus, 0);
    assert.equal((await (await started(["sleep", "a while"])).exited).exitStatus, 1);
  });

  it("knows no other programs, and says which it knows", async () => {
    await assert.rejects(made(["sh", "-c", "true"]), (error) => {
      assert.ok(isContainerdError(error, "unknown"), String(error));
      assert.match(error.message, /exec: "sh": executable file not found in \$PATH .*counter.*sleep/);
      return true;
    });
  });

  it("stands still in a pause, and goes on after it", async () => {
    const tree = new Files();
    const task = await started(["counter"], { tree });
    await counts(tree, 1);
    await task.pause();
    const frozen = tree.count();
    await sleep(150);
    assert.equal(tree.count(), frozen);
    await task.resume();
    await counts(tree, frozen);
  });

  it("waits for a program to come to a yield before it is paused", async () => {
    const task = await started(["stubborn"]);
    await task.pause();
    assert.ok(workDone);
  });

  it("brings back the memory that a dump saved, with files of the same instant", async () => {
    const tree = new Files();
    const original = await started(["counter"], { tree });
    await counts(tree, 2);
    await original.pause();
    const dump = fresh();
    await original.checkpoint(dump, leaveRunning);
    const frozen = tree.count();
    const copy = new Files();
    for (const [path, bytes] of tree.files) copy.files.set(path, bytes);
    await original.resume();
    const thawed = await made(["anything"], { tree: copy, dump });
    assert.equal(thawed.pid, 0);
    assert.ok((await thawed.start()) > 2 ** 22);
    assert.equal(await counts(copy, frozen), frozen + 1);
    await counts(tree, frozen);
  });

  it("saves a program where it yields, paused or not, and lets it go on", async () => {
    const task = await started(["busy"]);
    for (let times = 0; times < 10; times++) {
      const dump = fresh();
      await task.checkpoint(dump, leaveRunning);
      assert.deepEqual([...(await readFile(join(dump, "memory.img")))], [0]);
    }
    await task.pause();
    await task.checkpoint(fresh(), leaveRunning);
    await task.resume();
  });

  it("ends the program with the dump when asked", async () => {
    const task = await started(["counter"]);
    await task.pause();
    await task.checkpoint(fresh(), create(CheckpointOptionsSchema, { exit: true }));
    assert.equal((await task.exited).exitStatus, 137);
  });

  it("remembers how long was left to sleep", async () => {
    const task = await started(["sleep", "1000"]);
    await task.pause();
    const dump = fresh();
    await task.checkpoint(dump, leaveRunning);
    const left = (await readFile(join(dump, "memory.img"))).readDoubleBE();
    assert.ok(left > 900_000 && left <= 1_000_000, String(left));
  });

  it("refuses dumps of criu, cut ones and those of another version", async () => {
    const criu = await mkdtemp(join(directory, "criu-"));
    await writeFile(join(criu, "inventory.img"), "x");
    await assert.rejects(made(["counter"], { dump: criu }), isFailedPrecondition);
    const task = await started(["counter"]);
    await task.pause();
    const dump = fresh();
    await task.checkpoint(dump, leaveRunning);
    await assert.rejects(task.checkpoint(dump, leaveRunning), isFailedPrecondition);
    await writeFile(join(dump, "memory.img"), new Uint8Array(3));
    await assert.rejects(made(["counter"], { dump }), (error) => isContainerdError(error, "data_loss"));
    const [marker = ""] = (await readdir(dump)).filter((name) => name.endsWith(".json"));
    await writeFile(join(dump, marker), '{"version":99}');
    await assert.rejects(made(["counter"], { dump }), isFailedPrecondition);
  });

  it("says at the start, and not before, that a thawed program is not there", async () => {
    const others = simulatedRuntime({ odd: polite });
    const request = {
      namespace: "test",
      id: "odd",
      state: directory,
      bundle: fresh(),
      work: fresh(),
      spec: { ociVersion: "1.1.0", process: { args: ["odd"], cwd: "/", user: { uid: 0, gid: 0 } } },
      rootfs: [],
      tree: new Files(),
      io: noIO,
      options: create(OptionsSchema),
    };
    const odd = await others.create({ ...request, dump: undefined });
    await odd.start();
    await odd.pause();
    const dump = fresh();
    await odd.checkpoint(dump, leaveRunning);
    await others.close();
    const thawed = await made(["counter"], { dump });
    await assert.rejects(thawed.start(), /OCI runtime restore failed.*"odd"/);
    assert.equal(thawed.pid, 0);
  });

  it("gives signals to handlers, ends other processes and leaves the first alone", async () => {
    const handled = await started(["polite"]);
    await handled.kill(15, false);
    assert.equal((await handled.exited).exitStatus, 3);
    const first = await started(["sleep", "1000"]);
    const exec = await first.exec("e", { args: ["sleep", "1000"], cwd: "/", user: { uid: 0, gid: 0 } }, noIO);
    await exec.start();
    assert.equal((await first.pids()).length, 2);
    await first.kill(15, false);
    await exec.kill(15, false);
    assert.equal((await exec.exited).exitStatus, 143);
    assert.equal((await first.pids()).length, 1);
    const other = await first.exec("f", { args: ["sleep", "1000"], cwd: "/", user: { uid: 0, gid: 0 } }, noIO);
    await other.start();
    await first.pause();
    await first.kill(9, false);
    assert.equal((await first.exited).exitStatus, 137);
    assert.equal((await other.exited).exitStatus, 137);
    assert.deepEqual(await first.pids(), []);
    await assert.rejects(first.kill(99, false), (error) => isContainerdError(error, "unknown"));
  });

  it("keeps signals for after a pause", async () => {
    const task = await started(["polite"]);
    await task.pause();
    await task.kill(15, false);
    let over = false;
    void task.exited.then(() => {
      over = true;
    });
    await sleep(50);
    assert.equal(over, false);
    await task.resume();
    assert.equal((await task.exited).exitStatus, 3);
  });

  it("lets nothing happen any more after a kill", async () => {
    const tree = new Files();
    const task = await started(["counter"], { tree });
    await counts(tree);
    await task.kill(9, false);
    const last = tree.count();
    await sleep(120);
    assert.equal(tree.count(), last);
  });

  it("writes to files, by path or URI, what programs say, and why they failed", async () => {
    const path = join(directory, "logs", "of", "echo.log");
    const uri = pathToFileURL(path).href;
    const task = await started(["echo", "a", "b"], { io: { ...noIO, stdout: uri, stderr: uri } });
    await task.exited;
    assert.equal(await readFile(path, "utf8"), "a b\n");
    const failing = await started(["broken"], { io: { ...noIO, stdout: path, stderr: path } });
    assert.equal((await failing.exited).exitStatus, 1);
    assert.match(await readFile(path, "utf8"), /^a b\nError: no idea/);
    const input = join(directory, "input");
    await writeFile(input, Uint8Array.of(1, 2, 3));
    const sum = await started(["adder"], { io: { ...noIO, stdin: input, stdout: uri, stderr: uri } });
    assert.equal((await sum.exited).exitStatus, 7);
    assert.match(await readFile(path, "utf8"), /\n6\n$/);
  });

  it("refuses files that are not there and programs to log to", async () => {
    const nowhere = join(directory, "nowhere", "x");
    for (const io of [{ stdin: nowhere }, { stdout: nowhere, stderr: nowhere }, { stdout: join(directory, "logs") }]) {
      await assert.rejects(made(["true"], { io: { ...noIO, ...io } }), (error) => isContainerdError(error, "unknown"));
    }
    await assert.rejects(
      made(["true"], { io: { ...noIO, stdout: "binary:///bin/log", stderr: "binary:///bin/log" } }),
      (error) => isContainerdError(error, "not_implemented"),
    );
  });

  describe("with named pipes", { skip: platform() === "win32" }, () => {
    const pipes = async () => {
      const parent = await mkdtemp(join(directory, "fifos-"));
      const [stdin = "", stdout = "", stderr = ""] = ["in", "out", "err"].map((name) => join(parent, name));
      await promisify(execFile)("mkfifo", [stdin, stdout, stderr]);
      return { stdin, stdout, stderr, terminal: false };
    };

    it("carries input and output, and the end of both", async () => {
      const io = await pipes();
      const task = await started(["cat"], { io });
      const output = readFile(io.stdout, "utf8");
      const source = createWriteStream(io.stdin);
      const text = "0123456789".repeat(30_000);
      source.end(text);
      await once(source, "close");
      await task.closeStdin();
      assert.equal(await output, text);
      assert.equal((await task.exited).exitStatus, 0);
    });

    it("keeps what was written and not yet taken through a freeze", async () => {
      const io = await pipes();
      const words: Program = async function* (process) {
        if (process.memory.length === 0) {
          process.memory = Uint8Array.of(1);
          yield process.stdout.write("x".repeat(200_000));
        }
        yield 60_000;
        return 0;
      };
      const talking = simulatedRuntime({ words });
      const request = {
        namespace: "test",
        id: "words",
        state: directory,
        bundle: fresh(),
        work: fresh(),
        spec: { ociVersion: "1.1.0", process: { args: ["words"], cwd: "/", user: { uid: 0, gid: 0 } } },
        rootfs: [],
        tree: undefined,
        options: create(OptionsSchema),
      };
      const reader = await open(io.stdout, constants.O_RDONLY | constants.O_NONBLOCK);
      const task = await talking.create({ ...request, io, dump: undefined });
      await task.start();
      await sleep(50);
      await task.pause();
      const dump = fresh();
      await task.checkpoint(dump, create(CheckpointOptionsSchema, { exit: true }));
      await task.exited;
      const taken = (await reader.readFile()).length;
      await reader.close();
      assert.ok(taken > 0 && taken < 200_000, String(taken));
      const next = await pipes();
      const thawed = await talking.create({ ...request, io: next, dump });
      const rest = readFile(next.stdout);
      await thawed.start();
      await sleep(50);
      await thawed.kill(9, false);
      await thawed.delete();
      assert.equal(taken + (await rest).length, 200_000);
      await talking.close();
    });

    it("echoes what is typed at a terminal, and minds its keys", async () => {
      const { stdin, stdout } = await pipes();
      const task = await started(["cat"], { io: { stdin, stdout, stderr: "", terminal: true } });
      const output = readFile(stdout, "utf8");
      const keys = createWriteStream(stdin);
      keys.write("a\r");
      await sleep(50);
      keys.end("\u0004");
      assert.equal((await task.exited).exitStatus, 0);
      assert.equal(await output, "a\r\na\r\n");
    });
  });
});
