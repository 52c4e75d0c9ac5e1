import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { streamIO } from "../../src/client/stream-io.js";
import { fileIO, nullIO, type OpenIO } from "../../src/client/task-io.js";
import { FailedPreconditionError, InvalidArgumentError, NotFoundError, UnavailableError } from "../../src/errors.js";

const plain = {
  containerId: "c",
  namespace: "n",
  local: true,
  terminal: false,
  serverId: async (): Promise<string | undefined> => undefined,
};
const MB = 1_000_000;

/** Plays the daemon's shim: runs a command on the pipes, and returns when it has them open. */
async function play(io: OpenIO, script: string): Promise<ChildProcess> {
  const { stdin, stdout, stderr } = io.request;
  const redirections = `< ${stdin || "/dev/null"} > ${stdout} 2> ${stderr || "/dev/null"}`;
  const process = spawn("sh", ["-c", `exec ${redirections}; echo >&3; exec 3>&-; ${script}`], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  await once(process.stdio[3] as Readable, "data");
  return process;
}

async function exitOf(process: ChildProcess): Promise<number | null> {
  if (process.exitCode === null) await once(process, "exit");
  return process.exitCode;
}

describe("streamIO", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "task-io-"));
  });
  after(() => rm(directory, { recursive: true }));

  it("makes its pipes where any user may, when this one may not write to containerd's own place", (context) => {
    const program = fileURLToPath(new URL("../../src/client/stream-io.js", import.meta.url));
    const somebody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    if (spawnSync("test", ["-r", program], somebody).status !== 0) {
      context.skip("another user cannot read this build");
      return;
    }
    const script = `
      import { streamIO } from ${JSON.stringify(pathToFileURL(program))};
      const serverId = async () => undefined;
      const io = await streamIO().open({ containerId: "c", namespace: "n", local: true, terminal: false, serverId });
      console.log(io.request.stdout);
      await io.close();`;
    const args = ["--input-type=module", "--eval", script];
    const { stdout, stderr } = spawnSync(process.execPath, args, { ...somebody, encoding: "utf8", timeout: 30_000 });
    assert.equal(dirname(dirname(stdout.trim())), tmpdir(), stderr);
  });

  it("hands out what was written, whole and in order, and ends when the writer does", async () => {
    const io = await streamIO({ directory }).open(plain);
    const process = await play(
      io,
      `i=0; while [ $i -lt 20000 ]; do echo "line $i of many"; i=$((i+1)); done; echo bad >&2`,
    );
    assert.ok(io.stdout && io.stderr);
    const reading = Promise.all([text(io.stdout), text(io.stderr)]);
    io.started(async () => {});
    const [stdout, stderr] = await reading;
    assert.equal(stdout, Array.from({ length: 20_000 }, (_, at) => `line ${at} of many\n`).join(""));
    assert.equal(stderr, "bad\n");
    assert.equal(await exitOf(process), 0);
    await io.close();
  });

  it("does not end before the other side has opened the pipe", async () => {
    const io = await streamIO({ directory }).open(plain);
    assert.ok(io.stdout);
    let ended = false;
    io.stdout.on("end", () => {
      ended = true;
    });
    io.stdout.resume();
    await sleep(50);
    assert.equal(ended, false);
    await io.close();
  });

  it("keeps what an exited process wrote although nobody has read it yet", async () => {
    const io = await streamIO({ directory }).open(plain);
    const process = await play(io, "head -c 60000 /dev/zero");
    await exitOf(process);
    io.started(async () => {});
    await io.finish();
    await io.close();
    assert.ok(io.stdout);
    assert.equal((await text(io.stdout)).length, 60_000);
  });

  it("takes at the end no more than the pipes can hold when a child left behind goes on writing and nobody reads", async () => {
    const io = await streamIO({ directory }).open(plain);
    const process = await play(io, "cat /dev/zero & exit 3");
    assert.equal(await exitOf(process), 3);
    io.started(async () => {});
    await io.finish();
    assert.ok(io.stdout);
    const held = io.stdout.readableLength + (io.stdout as PassThrough).writableLength;
    await io.close();
    assert.ok(held > MB / 20 && held < 5 * MB, `${held} bytes`);
  });

  it("shares one stream of the caller's between many processes", async () => {
    const sink = new PassThrough({ highWaterMark: 1000 });
    const warnings: Error[] = [];
    const warned = (warning: Error) => warnings.push(warning);
    globalThis.process.on("warning", warned);
    const all = await Promise.all(
      Array.from({ length: 12 }, () => streamIO({ directory, stdout: sink, stderr: sink }).open(plain)),
    );
    let printed = 0;
    sink.on("data", (chunk: Buffer) => {
      printed += chunk.length;
    });
    const processes = await Promise.all(all.map((io) => play(io, "head -c 100000 /dev/zero")));
    for (const io of all) io.started(async () => {});
    assert.deepEqual(await Promise.all(processes.map(exitOf)), Array(12).fill(0));
    for (const io of all) {
      await io.finish();
      await io.close();
    }
    assert.equal(sink.listenerCount("close") + sink.listenerCount("drain"), 0);
    await new Promise<void>((resolve) => sink.end(resolve));
    assert.equal(printed, 1_200_000);
    globalThis.process.off("warning", warned);
    assert.deepEqual(warnings, []);
  });

  it("holds the writer back while the reader is slow", async () => {
    const io = await streamIO({ directory }).open(plain);
    const process = await play(io, `head -c ${10 * MB} /dev/zero`);
    io.stderr?.resume();
    assert.ok(io.stdout);
    io.started(async () => {});
    await sleep(100);
    assert.equal(process.exitCode, null);
    assert.ok(io.stdout.readableLength < MB);
    let total = 0;
    for await (const chunk of io.stdout) total += (chunk as Buffer).length;
    assert.equal(total, 10 * MB);
    await io.close();
  });

  it("writes into the caller's streams and leaves them open", async () => {
    const chunks: Buffer[] = [];
    const sink = new Writable({
      highWaterMark: 10,
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        setImmediate(done);
      },
    });
    const io = await streamIO({ directory, stdout: sink, stderr: new PassThrough().resume() }).open(plain);
    const process = await play(io, `head -c ${2 * MB} /dev/zero; echo end`);
    await exitOf(process);
    io.started(async () => {});
    await io.finish();
    await io.close();
    assert.equal(sink.writableEnded, false);
    await new Promise<void>((resolve) => sink.end(() => resolve()));
    assert.equal(Buffer.concat(chunks).length, 2 * MB + 4);
    assert.equal(io.stdout, undefined);
  });

  it("lets the process go on when the caller's stream is gone", async () => {
    const sink = new PassThrough();
    const io = await streamIO({ directory, stdout: sink }).open(plain);
    const process = await play(io, `head -c ${2 * MB} /dev/zero`);
    io.stderr?.resume();
    sink.destroy();
    assert.equal(await exitOf(process), 0);
    await io.close();
  });

  it("carries input of any size, says once that it is over, and only after the start", async () => {
    const input = Buffer.alloc(3 * MB, "abcdefg\n");
    const io = await streamIO({ directory, stdin: Readable.from([input.subarray(0, MB), input.subarray(MB)]) }).open(
      plain,
    );
    let closed = 0;
    const process = await play(io, "cat");
    assert.ok(io.stdout);
    io.stderr?.resume();
    const output = text(io.stdout);
    await sleep(50);
    assert.equal(closed, 0);
    io.started(async () => {
      closed++;
    });
    assert.equal(await exitOf(process), 0);
    assert.equal((await output).length, 3 * MB);
    assert.equal(closed, 1);
    await io.finish();
    await io.close();
  });

  it("hands out a stream to write to", async () => {
    const io = await streamIO({ directory, stdin: "pipe" }).open(plain);
    const process = await play(io, "cat");
    assert.ok(io.stdin && io.stdout);
    io.stderr?.resume();
    io.started(async () => {});
    io.stdin.end("hello\n");
    assert.equal(await text(io.stdout), "hello\n");
    assert.equal(await exitOf(process), 0);
    await io.close();
  });

  it("tells at the end when the daemon could not end the input, unless the process is gone", async () => {
    for (const [fault, expected] of [
      [new Error("the daemon is away"), "the daemon is away"],
      [new NotFoundError("process: not found"), undefined],
    ] as const) {
      const io = await streamIO({ directory, stdin: Readable.from(["x"]) }).open(plain);
      const process = await play(io, "cat > /dev/null");
      io.stdout?.resume();
      io.stderr?.resume();
      io.started(() => Promise.reject(fault));
      await exitOf(process);
      await io.finish();
      if (expected === undefined) await io.close();
      else await assert.rejects(io.close(), { message: expected });
    }
  });

  it("lets go of an endless source when it is closed", async () => {
    const source = new PassThrough();
    const io = await streamIO({ directory, stdin: source }).open(plain);
    source.write("something");
    await io.close();
    assert.equal(source.destroyed, false);
    source.write("more");
    source.destroy();
  });

  it("breaks off the input of a process that has ended, with a reason where bytes are left over", async () => {
    const io = await streamIO({ directory, stdin: "pipe" }).open(plain);
    const process = await play(io, "head -c 10 > /dev/null");
    assert.ok(io.stdin);
    const feeding = pipeline(Readable.from([Buffer.alloc(MB), Buffer.alloc(MB)]), io.stdin);
    io.started(
      async () => {},
      () => exitOf(process),
    );
    await assert.rejects(feeding, (error) => {
      assert.ok(error instanceof FailedPreconditionError, String(error));
      assert.match(error.message, /^Cannot write to a process in container c: it ended with \d+ bytes unread$/);
      return true;
    });
    await io.finish();
    await io.close();

    const idle = await streamIO({ directory, stdin: "pipe" }).open(plain);
    const reader = await play(idle, "head -c 3 > /dev/null");
    const errors: Error[] = [];
    idle.stdin?.on("error", (error) => errors.push(error));
    idle.stdin?.write("all");
    idle.started(
      async () => {},
      () => exitOf(reader),
    );
    assert.ok(idle.stdin);
    if (!idle.stdin.closed) await once(idle.stdin, "close");
    assert.deepEqual(errors, []);
    await idle.close();
  });

  it("breaks off the input although nobody listens, the daemon was away, or the process is gone", async () => {
    for (const answers of [["ended"], ["away", "ended"], ["gone"]]) {
      const io = await streamIO({ directory, stdin: "pipe" }).open(plain);
      const process = await play(io, "exit 0");
      io.stdout?.resume();
      io.stderr?.resume();
      assert.ok(io.stdin);
      io.stdin.write(Buffer.alloc(MB));
      io.started(
        async () => {},
        async () => {
          await exitOf(process);
          const answer = answers.shift();
          if (answer === "away") throw new UnavailableError("the daemon is away");
          if (answer === "gone") throw new NotFoundError("process: not found");
        },
      );
      await new Promise<void>((resolve) => io.stdin?.once("close", resolve));
      await io.close();
    }
  });

  it("does not ask any more how the process ends when the input is over", async () => {
    const io = await streamIO({ directory, stdin: Readable.from(["x"]) }).open(plain);
    const process = await play(io, "cat > /dev/null");
    let asked: AbortSignal | undefined;
    const waited = new Promise((resolve) => {
      io.started(
        async () => {},
        async (signal) => {
          asked = signal;
          signal.addEventListener("abort", resolve);
          await once(signal, "abort");
          signal.throwIfAborted();
        },
      );
    });
    assert.equal(asked?.aborted, false);
    await waited;
    assert.equal(await exitOf(process), 0);
    await io.close();
  });

  it("makes its pipes where nobody else may look, and removes them, once or twice", async () => {
    const io = await streamIO({ directory, stdin: "pipe" }).open(plain);
    const own = dirname(io.request.stdout);
    assert.equal((await stat(own)).mode & 0o777, 0o700);
    for (const path of [io.request.stdin, io.request.stdout, io.request.stderr]) {
      assert.ok((await stat(path)).isFIFO());
      assert.equal((await stat(path)).mode & 0o777, 0o600);
    }
    await io.close();
    await io.close();
    assert.equal(existsSync(own), false);
    assert.deepEqual(await readdir(directory), []);
  });

  it("removes its pipes at the end of the process although nobody closes it", async () => {
    const io = await streamIO({ directory }).open(plain);
    await play(io, "echo end");
    io.stdout?.resume();
    io.stderr?.resume();
    io.started(async () => {});
    for (let tries = 0; existsSync(dirname(io.request.stdout)) && tries < 100; tries++) await sleep(20);
    assert.deepEqual(await readdir(directory), []);
  });

  it("has no stderr beside a terminal", async () => {
    const io = await streamIO({ directory }).open({ ...plain, terminal: true });
    assert.deepEqual([io.request.stderr, io.request.terminal, io.stderr], ["", true, undefined]);
    await io.close();
    const refused = streamIO({ directory, stderr: new PassThrough() }).open({ ...plain, terminal: true });
    await assert.rejects(refused, InvalidArgumentError);
    assert.deepEqual(await readdir(directory), []);
  });

  it("refuses a daemon that is elsewhere before anything is made", async () => {
    await assert.rejects(streamIO({ directory }).open({ ...plain, local: false }), FailedPreconditionError);
    assert.deepEqual(await readdir(directory), []);
  });

  it("says when its directory cannot be used", async () => {
    await assert.rejects(streamIO({ directory: "/dev/null/no" }).open(plain), FailedPreconditionError);
  });
});

describe("fileIO", () => {
  it("names one file for both, as a URI that the daemon's host resolves", async () => {
    const { request } = await fileIO({ stdout: "/var/log/a b#c.log" }).open({ ...plain, local: false });
    const uri = "file:///var/log/a%20b%23c.log";
    assert.deepEqual(request, { stdin: "", stdout: uri, stderr: uri, terminal: false });
  });

  it("makes two files beforehand, and keeps what they hold", async () => {
    const directory = await mkdtemp(join(tmpdir(), "file-io-"));
    const [stdout, stderr] = [join(directory, "out"), join(directory, "err")];
    const { request } = await fileIO({ stdout, stderr }).open(plain);
    assert.deepEqual(request, { stdin: "", stdout, stderr, terminal: false });
    assert.equal(await readFile(stderr, "utf8"), "");
    await rm(directory, { recursive: true });
  });

  it("refuses what cannot be", async () => {
    await assert.rejects(fileIO({ stdout: "relative" }).open(plain), InvalidArgumentError);
    await assert.rejects(
      fileIO({ stdout: "/a", stderr: "/b" }).open({ ...plain, local: false }),
      FailedPreconditionError,
    );
    await assert.rejects(
      fileIO({ stdout: "/a", stderr: "/b" }).open({ ...plain, terminal: true }),
      InvalidArgumentError,
    );
    await assert.rejects(
      fileIO({ stdout: "/a" }).open({ ...plain, local: false, terminal: true }),
      FailedPreconditionError,
    );
  });
});

describe("nullIO", () => {
  it("gives a terminal somewhere to go", async () => {
    const closed = { stdin: "", stdout: "", stderr: "", terminal: false };
    assert.deepEqual((await nullIO().open({ ...plain, local: false })).request, closed);
    assert.deepEqual((await nullIO().open({ ...plain, terminal: true })).request, {
      ...closed,
      stdout: "/dev/null",
      terminal: true,
    });
  });
});
