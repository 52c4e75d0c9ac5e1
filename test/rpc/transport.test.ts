import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, mock } from "node:test";
import { fileURLToPath } from "node:url";
import { VersionResponseSchema } from "../../src/api/services/version/v1/version_pb.js";
import { InvalidArgumentError, PermissionDeniedError, UnavailableError } from "../../src/errors.js";
import { tcpTransport, unixTransport } from "../../src/rpc/transport.js";
import { FakeDaemon } from "./fake-daemon.js";
import { tcpLine, tlsLine, unixLine } from "./lines.js";
import { answerVersion, TransportBed, version } from "./transport-bed.js";
import { answerMuch } from "./transport-left.js";
import { transportSuite } from "./transport-suite.js";

for (const line of [unixLine, tcpLine, await tlsLine()]) transportSuite(line);

describe("a socket", () => {
  const bed = new TransportBed(unixLine);

  it("is unavailable when it is a file", async () => {
    await writeFile(join(bed.directory, "c.sock"), "");
    await assert.rejects(version(bed.open()), UnavailableError);
  });

  it("is a denied permission when the system says so", async () => {
    await bed.serve(answerVersion);
    const path = join(bed.directory, "c.sock");
    // Root may do anything: the kernel looks at the effective user.
    const root = process.geteuid?.() === 0;
    await chmod(path, 0o600);
    if (!root) await chmod(path, 0o000);
    if (root) process.seteuid?.(65_534);
    try {
      await assert.rejects(version(bed.open()), PermissionDeniedError);
    } finally {
      if (root) process.seteuid?.(0);
    }
  });
});

describe("a connection that has carried all the calls it can", () => {
  const bed = new TransportBed(unixLine);
  after(() => mock.restoreAll());

  it("is followed by another", async () => {
    const server = await bed.serve(answerVersion);
    const connect = http2.connect;
    mock.method(http2, "connect", (authority: string, options: http2.ClientSessionOptions) => {
      const session = connect(authority, options);
      return session.once("connect", () =>
        Reflect.apply(Reflect.get(session, "setNextStreamID"), session, [2 ** 31 - 3]),
      );
    });
    const rpc = bed.open();
    for (let at = 0; at < 5; at++) assert.equal((await version(rpc)).version, "1.2.3");
    assert.equal(server.connections, 3);
  });
});

describe("transports", () => {
  it("refuse what cannot be an address", () => {
    assert.throws(() => unixTransport(""), InvalidArgumentError);
    for (const authority of ["", "host:port", "user@host:1", "host:1/path", "host:99999"]) {
      assert.throws(() => tcpTransport(authority), InvalidArgumentError, authority);
    }
  });

  it("know whose files they end at", () => {
    assert.equal(unixTransport("/x").local, true);
    assert.notEqual(tcpTransport("host:1").local, true);
  });
});

describe("a process with a connection", () => {
  let directory = "";
  const run = async (program: string, argument: string): Promise<{ code: number | null; output: string }> => {
    const script = fileURLToPath(new URL(program, import.meta.url));
    const child = spawn(process.execPath, [script, argument], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 20_000,
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = (await once(child, "close")) as [number | null];
    return { code, output };
  };
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "rpc-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("ends by itself when nothing is under way", async () => {
    const path = join(directory, "idle.sock");
    await using _daemon = await FakeDaemon.listen({ path }, (call) => {
      call.send(VersionResponseSchema, { version: "1.2.3" });
      call.end();
    });
    assert.deepEqual(await run("one-call.js", path), { code: 0, output: "1.2.3\n" });
  });

  it("lives as long as a call does", async () => {
    const path = join(directory, "slow.sock");
    await using _daemon = await FakeDaemon.listen({ path }, (call) => {
      setTimeout(() => {
        call.send(VersionResponseSchema, { version: "slow" });
        call.end();
      }, 300);
    });
    assert.deepEqual(await run("one-call.js", path), { code: 0, output: "slow\n" });
  });

  for (const [line, messages] of [
    [unixLine, 28],
    [tcpLine, 10],
  ] as const) {
    it(`ends by itself when it left a stream whose whole answer had come (${line.name})`, async () => {
      const place = await line.place(directory);
      await using _daemon = await FakeDaemon.listen(place, (call) => answerMuch(call, messages));
      assert.deepEqual(await run("left-stream.js", JSON.stringify(place)), { code: 0, output: "left\n" });
    });
  }
});
