import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { VersionResponseSchema } from "../../src/api/services/version/v1/version_pb.js";
import { parseAddress } from "../../src/client/address.js";
import type { Client } from "../../src/client/client.js";
import { type ConnectOptions, connect, fromEnv } from "../../src/client/connect.js";
import { explainFailure } from "../../src/client/connect-failure.js";
import {
  type ContainerdError,
  type ErrorCode,
  InvalidArgumentError,
  isContainerdError,
  UnavailableError,
} from "../../src/errors.js";
import { type FakeCall, FakeDaemon } from "../rpc/fake-daemon.js";
import { Relay } from "../rpc/relay.js";
import { type Certificates, testCertificates } from "./certificates.js";

const answer = (call: FakeCall) => {
  call.send(VersionResponseSchema, { version: "1.2.3", revision: "abc" });
  call.end();
};

async function fails(
  options: ConnectOptions,
  code: ErrorCode,
  message: RegExp,
  hint?: RegExp,
): Promise<ContainerdError> {
  let seen: ContainerdError | undefined;
  await assert.rejects(connect(options), (error) => {
    assert.ok(isContainerdError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    if (hint !== undefined) assert.match(error.hint ?? "", hint);
    assert.ok(error.cause instanceof Error);
    seen = error;
    return true;
  });
  assert.ok(seen);
  return seen;
}

async function works(client: Client): Promise<void> {
  assert.deepEqual(await client.version(), { version: "1.2.3", revision: "abc" });
  await client.close();
}

describe("addresses", () => {
  it("have the forms people type", () => {
    for (const text of ["/run/c.sock", "unix:///run/c.sock", "unix:/run/c.sock"]) {
      assert.deepEqual(parseAddress(text), { kind: "unix", path: "/run/c.sock" }, text);
    }
    assert.deepEqual(parseAddress("./c.sock"), { kind: "unix", path: "./c.sock" });
    for (const text of ["tcp://host:1234", "http://host:1234", "http://host:1234/"]) {
      assert.deepEqual(parseAddress(text), { kind: "tcp", authority: "host:1234", secure: false }, text);
    }
    assert.deepEqual(parseAddress("https://[::1]:443"), { kind: "tcp", authority: "[::1]:443", secure: true });
  });

  it("are refused in any other", () => {
    const bad = [
      "",
      "unix:",
      "unix://",
      "unix:c.sock",
      "c.sock",
      "host:1",
      "tcp://host",
      "https://host:1/path",
      "ssh://host:1",
    ];
    for (const text of [...bad, "tcp://user@host:1", "npipe:////./pipe/containerd"]) {
      assert.throws(() => parseAddress(text), InvalidArgumentError, text);
    }
  });

  it("come from the environment by the names ctr uses, and nothing else does", () => {
    assert.deepEqual(
      fromEnv({ CONTAINERD_ADDRESS: "/c.sock", CONTAINERD_NAMESPACE: "n", CONTAINERD_SNAPSHOTTER: "s" }),
      {
        address: "/c.sock",
        namespace: "n",
      },
    );
    assert.deepEqual(fromEnv({ CONTAINERD_ADDRESS: "", CONTAINERD_NAMESPACE: "" }), {});
  });
});

describe("connect", () => {
  let directory = "";
  const at = (name: string) => join(directory, name);
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "connect-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("finds a daemon at its socket and over TCP", async () => {
    await using _daemon = await FakeDaemon.listen({ path: at("c.sock") }, answer);
    await using relay = await Relay.listen({ port: 0, host: "127.0.0.1" }, { path: at("c.sock") });
    const client = await connect({ address: at("c.sock") });
    assert.equal(client.namespace, "default");
    await works(client);
    await works(await connect({ address: `unix://${at("c.sock")}`, namespace: "n" }));
    await works(await connect({ address: `tcp://127.0.0.1:${relay.port}` }));
    await works(await connect({ address: `http://localhost:${relay.port}` }));
  });

  it("says that there is no socket, and where there are others", async () => {
    const path = at("missing.sock");
    const error = await fails(
      { address: path },
      "unavailable",
      /there is no such socket/,
      /installed and running|There is one at/,
    );
    assert.match(error.message, new RegExp(path));
    await using _other = await FakeDaemon.listen({ path: at("other.sock") }, answer);
    const told = await explainFailure(error.cause, { kind: "unix", path }, 1, [
      at("nothing.sock"),
      at("other.sock"),
      path,
    ]);
    assert.ok(told instanceof UnavailableError);
    assert.equal(told.hint, `There is one at ${at("other.sock")}.`);
  });

  it("says that nobody listens, or that it is no socket", async () => {
    const server = net.createServer().listen(at("left.sock"));
    await once(server, "listening");
    // A socket file that a killed daemon left behind.
    await rename(at("left.sock"), at("stale.sock"));
    server.close();
    await fails({ address: at("stale.sock") }, "unavailable", /nobody listens/, /running/);
    await writeFile(at("file"), "");
    await fails({ address: at("file") }, "failed_precondition", /not a socket/);
  });

  it("says which group owns a socket that is not ours", async () => {
    await using _daemon = await FakeDaemon.listen({ path: at("root.sock") }, answer);
    const root = process.geteuid?.() === 0;
    await chmod(directory, 0o755);
    await chmod(at("root.sock"), root ? 0o600 : 0o000);
    await mkdir(at("closed"), { mode: root ? 0o700 : 0o000 });
    if (root) process.seteuid?.(65_534);
    try {
      const group = root ? /root\.sock belongs to group root \(0\) \(mode 0600\)/ : /root\.sock belongs to group/;
      await fails({ address: at("root.sock") }, "permission_denied", /may not use the socket/, group);
      await fails({ address: at("closed/c.sock") }, "permission_denied", /may not use/, /closed belongs to group/);
    } finally {
      if (root) process.seteuid?.(0);
    }
  });

  describe("to what is not containerd", () => {
    const tcp = async (
      handler: (socket: net.Socket) => void,
    ): Promise<{ address: string; end: () => Promise<void> }> => {
      const sockets = new Set<net.Socket>();
      const server = net.createServer((socket) => {
        sockets.add(socket);
        socket.on("error", () => {});
        handler(socket);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      return {
        address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
        end: async () => {
          for (const socket of sockets) socket.destroy();
          server.close();
          await once(server, "close");
        },
      };
    };

    it("says so when it speaks HTTP/1", async () => {
      const { address, end } = await tcp((socket) => {
        socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
      });
      await fails({ address }, "failed_precondition", /does not speak gRPC/, /unix socket/);
      await end();
    });

    it("says so when it hangs up", async () => {
      const { address, end } = await tcp((socket) => socket.once("data", () => socket.destroy()));
      await fails({ address }, "unavailable", /Cannot connect to 127/, /hung up at once/);
      await end();
    });

    it("says so when it says nothing", async () => {
      const { address, end } = await tcp(() => {});
      await fails({ address, timeoutMs: 200 }, "unavailable", /no answer within 200 ms/, /Is it containerd/);
      await end();
    });

    it("says so when it is a web server", async () => {
      const server = http2.createServer();
      const sessions = new Set<http2.ServerHttp2Session>();
      server.on("session", (session) => sessions.add(session));
      server.on("stream", (stream) => {
        stream.respond({ ":status": 404, "content-type": "text/html" });
        stream.end("<html>");
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      await fails({ address: `tcp://127.0.0.1:${port}` }, "failed_precondition", /gRPC/, /unix socket/);
      for (const session of sessions) session.destroy();
      server.close();
    });

    it("says so when it is containerd's own TCP listener, or another gRPC server", async () => {
      await using daemon = await FakeDaemon.listen({ host: "127.0.0.1", port: 0 }, (call) =>
        call.fail(12, "unknown service containerd.services.version.v1.Version"),
      );
      await fails(
        { address: `tcp://127.0.0.1:${daemon.port}` },
        "failed_precondition",
        /not containerd's own socket/,
        /proxy in front/,
      );
    });
  });

  it("leaves a daemon that goes away in the middle unavailable, and finds it when it is back", async () => {
    const path = at("gone.sock");
    const first = await FakeDaemon.listen({ path }, (call) => (first.calls.length === 1 ? answer(call) : undefined));
    const client = await connect({ address: path });
    const arrival = first.arrival();
    const pending = assert.rejects(client.version(), UnavailableError);
    await arrival;
    await first.kill();
    await pending;
    await using _second = await FakeDaemon.listen({ path }, answer);
    await works(client);
  });
});

describe("connect with TLS", () => {
  let directory = "";
  let certificates: Certificates;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "tls-"));
    certificates = await testCertificates();
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const proxied = async (use: (address: string) => Promise<void>, secure: object = {}) => {
    const path = join(directory, "c.sock");
    await using _daemon = await FakeDaemon.listen({ path }, answer);
    await using relay = await Relay.listen(
      { host: "127.0.0.1", port: 0 },
      { path },
      { ...certificates.server, ...secure },
    );
    await use(`localhost:${relay.port}`);
  };

  it("trusts the authority it is given, and nobody else", async () => {
    await proxied(async (authority) => {
      const { ca } = certificates;
      await works(await connect({ address: `https://${authority}`, tls: { ca } }));
      await works(await connect({ address: `tcp://${authority}`, tls: { ca: new TextEncoder().encode(ca) } }));
      await fails({ address: `https://${authority}` }, "failed_precondition", /certificate|signed/i, /tls\.ca/);
    });
  });

  it("expects the certificate to name the host, or what it is told to", async () => {
    await proxied(async (authority) => {
      const { ca } = certificates;
      const address = `https://${authority.replace("localhost", "127.0.0.1")}`;
      await fails({ address, tls: { ca } }, "failed_precondition", /altnames|does not match|IP/i, /serverName/);
      await works(await connect({ address, tls: { ca, serverName: "localhost" } }));
    });
  });

  it("shows a certificate of its own where one is asked for", async () => {
    const { ca, client } = certificates;
    await proxied(
      async (authority) => {
        await works(await connect({ address: `https://${authority}`, tls: { ca, ...client } }));
        await fails({ address: `https://${authority}`, tls: { ca } }, "unauthenticated", /./, /tls\.cert/);
      },
      { ca, requestCert: true, rejectUnauthorized: true },
    );
  });

  it("says so when the other side speaks no TLS, or it alone does", async () => {
    const path = join(directory, "plain.sock");
    await using _daemon = await FakeDaemon.listen({ path }, answer);
    await using relay = await Relay.listen({ host: "127.0.0.1", port: 0 }, { path });
    await fails({ address: `https://localhost:${relay.port}` }, "failed_precondition", /./, /tcp:\/\/ without tls/);
    await proxied(async (authority) => {
      await fails({ address: `tcp://${authority}` }, "unavailable", /./, /https:\/\//);
    });
  });
});
