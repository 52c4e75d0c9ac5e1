import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, afterEach, before, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "../../src/client/client.js";
import type { Container } from "../../src/client/container.js";
import type { Process } from "../../src/client/process.js";
import { streamIO } from "../../src/client/stream-io.js";
import type { Task } from "../../src/client/task.js";
import { fileIO, nullIO, type TaskIO } from "../../src/client/task-io.js";
import { FailedPreconditionError, NotFoundError } from "../../src/errors.js";
import { withTerminal } from "../../src/oci/index.js";
import { unixTransport } from "../../src/rpc/transport.js";
import * as programs from "../fixtures/programs.js";
import { clientFor } from "./client.js";
import { discard, IMAGE } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

const TEN_MB = 10 * 1024 * 1024;

describeOnEachDaemon("task IO", (daemon) => {
  let client: Client;
  let directory: string;
  let containers: Container[] = [];
  let count = 0;
  before(async () => {
    client = await clientFor(daemon(), "task-io");
    directory = await mkdtemp(join(tmpdir(), "task-io-"));
  });
  after(async () => {
    await client.close();
    await rm(directory, { recursive: true });
  });
  afterEach(async () => {
    for (const container of containers) await discard(container);
    containers = [];
  });

  const shell = (script: string) => ["sh", "-c", script];
  const make = async (args: readonly string[], io: TaskIO, terminal = false): Promise<Task> => {
    const spec = terminal ? [withTerminal(true, { width: 80, height: 24 })] : [];
    const container = await client.containers.create(`io-${++count}`, { image: IMAGE, args, spec });
    containers.push(container);
    return container.newTask({ io });
  };
  /** Starts a process, waits for its end, and removes it. */
  const finish = async (process: Process): Promise<number> => {
    const exit = process.wait();
    await process.start();
    const { exitStatus } = await exit;
    await process.delete();
    return exitStatus;
  };
  const handedOut = ({ io }: Process): { stdout: Readable; stderr: Readable } => {
    assert.ok(io.stdout && io.stderr);
    return { stdout: io.stdout, stderr: io.stderr };
  };

  it("hands out both outputs, and removes its pipes with the task", async () => {
    const pipes = await mkdtemp("/run/containerd/fifo/test-");
    const task = await make(shell("echo out; echo err >&2; exit 3"), streamIO({ directory: pipes }));
    const { stdout, stderr } = handedOut(task);
    const before = await readdir(pipes);
    assert.equal(before.length, 1);
    const printed = Promise.all([text(stdout), text(stderr)]);
    assert.equal(await finish(task), 3);
    assert.deepEqual(await printed, ["out\n", "err\n"]);
    assert.deepEqual(await readdir(pipes), []);
    await rm(pipes, { recursive: true });
  });

  it("loses nothing of 10 MB, in order, to a stream of the caller's that is slow", async () => {
    const chunks: Buffer[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        setImmediate(done);
      },
    });
    // seq gives lines that tell their place.
    const task = await make(
      shell(`seq 1000000 | head -c ${TEN_MB}`),
      streamIO({ stdout: sink, stderr: new PassThrough().resume() }),
    );
    assert.equal(await finish(task), 0);
    await new Promise<void>((resolve) => sink.end(() => resolve()));
    const output = Buffer.concat(chunks).toString();
    const expected = Array.from({ length: 1_000_000 }, (_, at) => `${at + 1}\n`)
      .join("")
      .slice(0, TEN_MB);
    assert.equal(output.length, expected.length);
    assert.ok(output === expected);
  });

  it("loses nothing that an ended task wrote before anybody read it", async () => {
    const task = await make(shell("seq 40000 | head -c 165000"), streamIO());
    const { stdout } = handedOut(task);
    assert.equal(await finish(task), 0);
    assert.equal((await text(stdout)).length, 165_000);
  });

  it("carries input until its end", async () => {
    const task = await make(programs.echo, streamIO({ stdin: "pipe" }));
    const { stdout } = handedOut(task);
    const exit = task.wait();
    await task.start();
    const lines = stdout.setEncoding("utf8")[Symbol.asyncIterator]();
    task.io.stdin?.write("one\n");
    assert.equal((await lines.next()).value, "zonez\n");
    task.io.stdin?.end("two\n");
    assert.equal((await lines.next()).value, "ztwoz\n");
    assert.equal((await exit).exitStatus, 0);
    await task.delete();
  });

  it("carries 10 MB of input that was there before the start", async () => {
    const input = Buffer.alloc(TEN_MB, "0123456789abcde\n");
    const task = await make(
      ["md5sum"],
      streamIO({ stdin: Readable.from([input.subarray(0, 1000), input.subarray(1000)]) }),
    );
    const { stdout } = handedOut(task);
    const printed = text(stdout);
    assert.equal(await finish(task), 0);
    const { createHash } = await import("node:crypto");
    assert.equal((await printed).split(" ")[0], createHash("md5").update(input).digest("hex"));
  });

  it("has a terminal that echoes and can be resized", async () => {
    const task = await make(programs.terminalSize, streamIO({ stdin: "pipe" }), true);
    assert.ok(task.io.stdin && task.io.stdout);
    assert.equal(task.io.stderr, undefined);
    let screen = "";
    task.io.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      screen += chunk;
    });
    const shows = async (expected: string) => {
      for (let tries = 0; !screen.includes(expected) && tries < 200; tries++)
        await new Promise((resolve) => setTimeout(resolve, 25));
      assert.ok(screen.includes(expected), JSON.stringify(screen));
    };
    await task.start();
    await task.resize({ width: 132, height: 43 });
    task.io.stdin.write("first\n");
    await shows("first\r\n43 132\r\n");
    await task.resize({ width: 40, height: 12 });
    task.io.stdin.write("second\n");
    await shows("second\r\n12 40\r\n");
    const exit = task.wait();
    // A terminal's input ends with ^D at the start of a line.
    task.io.stdin.write("\x04");
    assert.equal((await exit).exitStatus, 0);
    await task.delete();
  });

  it("gives a further process streams of its own", async () => {
    const task = await make(["sleep", "1000"], nullIO());
    await task.start();
    const process = await task.exec("more", shell("read a; echo got $a; echo bad >&2; exit 5"), {
      io: streamIO({ stdin: Readable.from(["this\n"]) }),
    });
    const { stdout, stderr } = handedOut(process);
    const printed = Promise.all([text(stdout), text(stderr)]);
    assert.equal(await finish(process), 5);
    assert.deepEqual(await printed, ["got this\n", "bad\n"]);
    const screen = await task.exec("screen", ["tty"], { io: streamIO(), terminal: true });
    assert.ok(screen.io.stdout);
    const shown = text(screen.io.stdout);
    assert.equal(await finish(screen), 0);
    assert.match(await shown, /^\/dev\/pts\/\d+\r\n$/);
  });

  it("does not wait for what a process left behind holds open", async () => {
    const task = await make(["sleep", "1000"], nullIO());
    await task.start();
    const process = await task.exec("parent", shell("echo mine; sleep 1000 &"), { io: streamIO() });
    const { stdout, stderr } = handedOut(process);
    stderr.resume();
    const printed = text(stdout);
    assert.equal(await finish(process), 0);
    assert.equal(await printed, "mine\n");
  });

  it("does not take in what a process left behind goes on writing, while nobody reads", async () => {
    const task = await make(["sleep", "1000"], nullIO());
    await task.start();
    const process = await task.exec("parent", shell("yes & exit 3"), { io: streamIO() });
    const { stdout } = handedOut(process);
    assert.equal(await finish(process), 3);
    const { length } = await text(stdout);
    assert.ok(length > 100_000 && length < 5_000_000, `${length} bytes`);
  });

  it("keeps two containers' streams apart", async () => {
    const tasks = await Promise.all(
      ["left", "right"].map((word) => make(shell(`for i in 1 2 3; do echo ${word} $i; done`), streamIO())),
    );
    const printed = tasks.map(async (task) => text(handedOut(task).stdout));
    await Promise.all(tasks.map(finish));
    assert.deepEqual(await Promise.all(printed), ["left 1\nleft 2\nleft 3\n", "right 1\nright 2\nright 3\n"]);
  });

  it("appends to one file, or to two, and reads from one", async () => {
    const [both, out, err, input] = ["both", "out", "err", "in"].map((name) => join(directory, name)) as [
      string,
      string,
      string,
      string,
    ];
    await writeFile(input, "from a file\n");
    const script = shell("cat; echo err >&2");
    await finish(await make(script, fileIO({ stdout: both, stdin: input })));
    await finish(await make(script, fileIO({ stdout: both })));
    // The shim copies each output by itself: which of them comes first is open, and whether before or after the exit.
    const lines = async () => (await readFile(both, "utf8")).split("\n").sort();
    for (let tries = 0; tries < 100 && (await lines()).length < 4; tries++) await sleep(50);
    assert.deepEqual(await lines(), ["", "err", "err", "from a file"]);
    await finish(await make(script, fileIO({ stdout: out, stderr: err, stdin: input })));
    assert.equal(await readFile(out, "utf8"), "from a file\n");
    assert.equal(await readFile(err, "utf8"), "err\n");
  });

  it("runs a terminal without anybody, or with a file", async () => {
    assert.equal(await finish(await make(shell("echo into nothing; tty"), nullIO(), true)), 0);
    const file = join(directory, "screen");
    assert.equal(await finish(await make(["echo", "shown"], fileIO({ stdout: file }), true)), 0);
    assert.equal(await readFile(file, "utf8"), "shown\r\n");
  });

  it("refuses streams where the daemon may be elsewhere, before it makes a task", async () => {
    const remote = new Client({
      transport: { ...unixTransport(daemon().address), local: false },
      namespace: client.namespace,
    });
    const made = await client.containers.create(`io-${++count}`, { image: IMAGE, args: ["true"] });
    containers.push(made);
    const container = await remote.containers.get(made.id);
    await assert.rejects(container.newTask({ io: streamIO() }), FailedPreconditionError);
    await assert.rejects(container.task(), NotFoundError);
    assert.equal(await finish(await container.newTask()), 0);
    await remote.close();
  });

  it("runs without any", async () => {
    assert.equal(await finish(await make(shell("echo nobody hears; read a; exit 4"), nullIO())), 4);
  });
});
