import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import http2 from "node:http2";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it as test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { Namespaces } from "../../src/api/services/namespaces/v1/namespace_pb.js";
import { Version } from "../../src/api/services/version/v1/version_pb.js";
import {
  AlreadyExistsError,
  InvalidArgumentError,
  isContainerdError,
  isNotFound,
  isUnavailable,
  NotFoundError,
} from "../../src/errors.js";
import { type Listener, listen } from "../../src/rpc/listen.js";
import { type Route, route, routerTransport } from "../../src/rpc/router.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { unixTransport } from "../../src/rpc/transport.js";

/** A call that does not end is a failure, not a reason to wait. */
function it(what: string, body: () => Promise<void>): void {
  test(what, { timeout: 20_000 }, body);
}

describe("services of this process", () => {
  let directory: string;
  let path: string;
  let end: AbortController;
  const listeners: Listener[] = [];
  const rpcs: Rpc[] = [];
  /** What became of the handler of a stream. */
  let ended: Promise<string>;
  let say: (how: string) => void;
  let started: Promise<void>;
  let begin: () => void;

  const routes: readonly Route[] = [
    route(Version, {
      version: (_, { requestHeader }) => ({
        version: requestHeader.get("containerd-namespace") ?? "none",
        revision: "",
      }),
    }),
    route(Namespaces, {
      get({ name }) {
        if (name === "odd") throw new TypeError("something odd");
        if (name === "long") return { namespace: { name: "x".repeat(17 * 1024 * 1024) } };
        throw new NotFoundError(`namespace "${name}" — ${"ä".repeat(3)}\n%: not found`);
      },
    }),
    route(Events, {
      async *subscribe({ filters }, { signal }) {
        begin();
        try {
          for (;;) {
            yield { topic: filters[0] ?? "" };
            if (filters.includes("wait")) await once(signal, "abort");
            await nextTurn();
            signal.throwIfAborted();
          }
        } finally {
          say(signal.aborted ? "cut" : "left");
        }
      },
    }),
  ];
  const serve = async (at = path): Promise<Listener> => {
    const listener = await listen(at, routes, end.signal);
    listeners.push(listener);
    return listener;
  };
  const open = (): Rpc => {
    const rpc = new Rpc(unixTransport(path), "here");
    rpcs.push(rpc);
    return rpc;
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "listen-"));
    path = join(directory, "c.sock");
    end = new AbortController();
    ended = new Promise((resolve) => {
      say = resolve;
    });
    started = new Promise((resolve) => {
      begin = resolve;
    });
  });
  afterEach(async () => {
    for (const rpc of rpcs.splice(0)) rpc.close();
    end.abort();
    for (const listener of listeners.splice(0)) await listener.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("listen for this user alone, and where nobody does any more", async () => {
    const umask = process.umask();
    await serve();
    assert.equal(process.umask(), umask);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await open().unary(Version.method.version, {})).version, "here");
    await assert.rejects(serve(), AlreadyExistsError);
    const stale = join(directory, "stale.sock");
    const server = createServer();
    server.listen(stale);
    await once(server, "listening");
    // As a killed process leaves it.
    Reflect.get(server, "_handle").unref();
    await writeFile(join(directory, "file"), "");
    await assert.rejects(serve(join(directory, "file")), AlreadyExistsError);
    for (const bad of ["", join(directory, "x".repeat(108))]) await assert.rejects(serve(bad), InvalidArgumentError);
    server.close();
  });

  for (const way of ["a socket", "a router"]) {
    const reach = async (): Promise<Rpc> => {
      if (way === "a router") return new Rpc(routerTransport(routes, end.signal), "here");
      await serve();
      return open();
    };

    it(`fail through ${way} as a daemon does`, async () => {
      const rpc = await reach();
      await assert.rejects(rpc.unary(Namespaces.method.get, { name: "n" }), (reason) => {
        assert.ok(isNotFound(reason));
        assert.equal(reason.message, 'namespace "n" — äää\n%: not found');
        return true;
      });
      await assert.rejects(rpc.unary(Namespaces.method.get, { name: "odd" }), (reason) => {
        assert.ok(isContainerdError(reason, "unknown"));
        assert.equal(reason.message, "something odd");
        return true;
      });
      await assert.rejects(rpc.unary(Namespaces.method.list, {}), (reason) =>
        isContainerdError(reason, "not_implemented"),
      );
    });

    it(`end a handler through ${way} whose caller leaves the loop`, async () => {
      const rpc = await reach();
      for await (const { topic } of rpc.serverStream(Events.method.subscribe, { filters: ["t"] })) {
        assert.equal(topic, "t");
        break;
      }
      assert.equal(await ended, "cut");
    });

    it(`end a handler through ${way} whose caller aborts`, async () => {
      const rpc = await reach();
      const abort = new AbortController();
      const reason = new Error("enough");
      const call = { signal: abort.signal };
      const stream = rpc.serverStream(Events.method.subscribe, { filters: ["t", "wait"] }, call);
      await stream.next();
      abort.abort(reason);
      await assert.rejects(stream.next(), (error) => error === reason);
      assert.equal(await ended, "cut");
    });

    it(`end a handler through ${way} when the services end`, async () => {
      const rpc = await reach();
      const stream = rpc.serverStream(Events.method.subscribe, { filters: ["t", "wait"] });
      await stream.next();
      await started;
      const rest = stream.next().catch(() => {});
      end.abort();
      assert.equal(await ended, "cut");
      await rest;
      if (way === "a router") await assert.rejects(rpc.unary(Version.method.version, {}), isUnavailable);
    });
  }

  it("send no message that is too long", async () => {
    await serve();
    await assert.rejects(open().unary(Namespaces.method.get, { name: "long" }), (reason) =>
      isContainerdError(reason, "resource_exhausted"),
    );
  });

  it("say of other services that they do not know them", async () => {
    await serve();
    const session = http2.connect("http://localhost", { createConnection: () => connect(path) });
    const headers = {
      ":method": "POST",
      ":path": "/some.v1.Thing/Do",
      "content-type": "application/grpc",
      te: "trailers",
    };
    const stream = session.request(headers);
    stream.end();
    const [response] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    assert.equal(response["grpc-status"], "12");
    assert.equal(decodeURIComponent(String(response["grpc-message"])), "unknown service some.v1.Thing");
    session.destroy();
  });

  it("take any authority, and survive what is no HTTP", async () => {
    await serve();
    const junk = connect(path);
    junk.on("error", () => {});
    junk.resume();
    junk.write("GET / HTTP/1.1\r\n\r\nnonsense\0\0\0");
    await once(junk, "close");
    for (const authority of ["%2Frun%2Fc.sock", "[", "x:y:z"]) {
      const session = http2.connect("http://localhost", { createConnection: () => connect(path) });
      const stream = session.request({
        ":method": "POST",
        ":path": "/containerd.services.version.v1.Version/Version",
        ":authority": authority,
        "content-type": "application/grpc",
        te: "trailers",
      });
      stream.end(Buffer.alloc(5));
      const [response] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
      assert.equal(response[":status"], 200, authority);
      stream.resume();
      await once(stream, "end");
      session.destroy();
    }
    assert.equal((await open().unary(Version.method.version, {})).version, "here");
  });

  it("stop, though a caller holds on to the connection", async () => {
    const listener = await serve();
    const rpc = open();
    await rpc.unary(Version.method.version, {});
    const idle = connect(path);
    await once(idle, "connect");
    end.abort();
    await listener.close();
    await assert.rejects(rpc.unary(Version.method.version, {}), isUnavailable);
    await assert.rejects(stat(path), { code: "ENOENT" });
    idle.destroy();
  });
});
