import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it as test } from "node:test";
import {
  Content,
  WriteContentRequestSchema,
  WriteContentResponseSchema,
} from "../../src/api/services/content/v1/content_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { Version, VersionResponseSchema } from "../../src/api/services/version/v1/version_pb.js";
import { EnvelopeSchema } from "../../src/api/types/event_pb.js";
import {
  DeadlineExceededError,
  InvalidArgumentError,
  isContainerdError,
  NotFoundError,
  PermissionDeniedError,
  ResourceExhaustedError,
  UnavailableError,
} from "../../src/errors.js";
import { Rpc } from "../../src/rpc/rpc.js";
import type { Transport, TransportOptions } from "../../src/rpc/transport.js";
import { type FakeCall, FakeDaemon } from "./fake-daemon.js";
import { Relay } from "./relay.js";

const NO_ERROR = 0;
const REFUSED_STREAM = 7;

/** A call that does not end is a failure, not a reason to wait. */
function it(what: string, body: () => Promise<void>): void {
  test(what, { timeout: 20_000 }, body);
}

/** What any transport to a unix socket must keep. */
export function transportSuite(
  name: string,
  makeTransport: (path: string, options?: TransportOptions) => Transport,
): void {
  describe(name, () => {
    let directory = "";
    let path = "";
    let daemon: FakeDaemon | undefined;
    let rpcs: Rpc[] = [];

    const serve = async (handler: (call: FakeCall) => unknown): Promise<FakeDaemon> => {
      daemon = await FakeDaemon.listen({ path }, handler);
      return daemon;
    };
    const open = (options?: TransportOptions, at = path): Rpc => {
      const rpc = new Rpc(makeTransport(at, options), "suite");
      rpcs.push(rpc);
      return rpc;
    };
    const version = (rpc: Rpc, call = {}) => rpc.unary(Version.method.version, {}, call);
    const answerVersion = (call: FakeCall) => {
      call.send(VersionResponseSchema, { version: "1.2.3" });
      call.end();
    };
    const nothing = () => {};

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), "rpc-"));
      path = join(directory, "c.sock");
    });
    afterEach(async () => {
      for (const rpc of rpcs) rpc.close();
      rpcs = [];
      await daemon?.[Symbol.asyncDispose]();
      daemon = undefined;
      await rm(directory, { recursive: true, force: true });
    });

    describe("unary calls", () => {
      it("carry namespace and lease, and one connection serves many", async () => {
        const server = await serve(answerVersion);
        const rpc = open();
        assert.equal((await version(rpc, { lease: { id: "l1" } })).version, "1.2.3");
        await Promise.all([version(rpc), version(rpc.inNamespace("other"))]);
        assert.equal(server.connections, 1);
        const [first, second, third] = server.calls;
        assert.equal(first?.path, "/containerd.services.version.v1.Version/Version");
        assert.equal(first?.headers["containerd-namespace"], "suite");
        assert.equal(first?.headers["containerd-lease"], "l1");
        assert.equal(second?.headers["containerd-lease"], undefined);
        assert.equal(third?.headers["containerd-namespace"], "other");
      });

      it("name nothing that would arrive as another name", async () => {
        const server = await serve(answerVersion);
        const rpc = open();
        for (const name of ["ж", "ü", "a\nb", "a\0b"]) {
          await assert.rejects(version(rpc.inNamespace(name)), InvalidArgumentError);
          await assert.rejects(version(rpc, { lease: { id: name } }), InvalidArgumentError);
        }
        assert.equal(server.calls.length, 0);
      });

      it("fail with the daemon's whole message, head and status in one", async () => {
        await serve((call) => call.fail(5, 'image "täg": not found'));
        await assert.rejects(version(open()), (error) => {
          assert.ok(error instanceof NotFoundError);
          assert.equal(error.message, 'image "täg": not found');
          assert.equal(error.method, "containerd.services.version.v1.Version/Version");
          assert.equal(error.namespace, "suite");
          return true;
        });
      });

      it("fail when the status comes after the message", async () => {
        await serve((call) => {
          call.send(VersionResponseSchema, { version: "1.2.3" });
          call.end(14, "shutting down");
        });
        await assert.rejects(version(open()), UnavailableError);
      });
    });

    describe("deadlines", () => {
      it("end a call that is not answered, at the server too", async () => {
        const server = await serve(nothing);
        const arrival = server.arrival();
        await assert.rejects(version(open(), { timeoutMs: 100 }), DeadlineExceededError);
        const call = await arrival;
        assert.match(String(call.headers["grpc-timeout"]), /^\d+m$/);
        assert.notEqual(await call.closed, NO_ERROR);
      });

      it("leave a connection that was silent, whose other calls go on", async () => {
        const server = await serve((call) => {
          if (server.calls.length > 2) answerVersion(call);
        });
        const rpc = open();
        const patient = version(rpc);
        await assert.rejects(version(rpc, { timeoutMs: 600 }), DeadlineExceededError);
        await version(rpc);
        await version(rpc);
        assert.equal(server.connections, 2);
        const [first] = server.calls;
        assert.ok(first);
        answerVersion(first);
        assert.equal((await patient).version, "1.2.3");
      });

      it("keep a connection on which anything else was heard, or that was hardly waited for", async () => {
        const server = await serve((call) => {
          if (server.calls.length !== 1 && server.calls.length !== 3) answerVersion(call);
        });
        const rpc = open();
        const late = assert.rejects(version(rpc, { timeoutMs: 600 }), DeadlineExceededError);
        await version(rpc);
        await late;
        await assert.rejects(version(rpc, { timeoutMs: 50 }), DeadlineExceededError);
        await version(rpc);
        assert.equal(server.connections, 1);
      });

      it("have one name, whoever notices first", async () => {
        await serve((call) => call.fail(2, "subscription error: context deadline exceeded"));
        await assert.rejects(version(open(), { timeoutMs: 5_000 }), DeadlineExceededError);
      });
    });

    describe("aborts", () => {
      it("send nothing when they come first", async () => {
        const server = await serve(answerVersion);
        const reason = new Error("enough");
        await assert.rejects(version(open(), { signal: AbortSignal.abort(reason) }), (error) => error === reason);
        assert.equal(server.calls.length, 0);
      });

      it("reject with the signal's reason and reset the call", async () => {
        const server = await serve(nothing);
        const abort = new AbortController();
        const reason = new Error("enough");
        const arrival = server.arrival();
        const pending = assert.rejects(version(open(), { signal: abort.signal }), (error) => error === reason);
        const call = await arrival;
        abort.abort(reason);
        await pending;
        assert.notEqual(await call.closed, NO_ERROR);
      });

      it("end a stream in the middle, and leave no listener behind", async () => {
        const server = await serve((call) => call.send(EnvelopeSchema, { topic: "/one" }));
        const abort = new AbortController();
        const reason = new Error("enough");
        const arrival = server.arrival();
        const seen: string[] = [];
        await assert.rejects(
          async () => {
            for await (const { topic } of open().serverStream(Events.method.subscribe, {}, { signal: abort.signal })) {
              seen.push(topic);
              abort.abort(reason);
            }
          },
          (error) => error === reason,
        );
        assert.deepEqual(seen, ["/one"]);
        assert.notEqual(await (await arrival).closed, NO_ERROR);
        assert.equal(getEventListeners(abort.signal, "abort").length, 0);
      });

      it("leave no listener behind after calls that ended well", async () => {
        await serve(async (call) => {
          if (call.path.endsWith("/Write")) await call.receive(WriteContentRequestSchema);
          call.send(EnvelopeSchema, {});
          call.end();
        });
        const rpc = open();
        const { signal } = new AbortController();
        await version(rpc, { signal });
        for await (const _ of rpc.serverStream(Events.method.subscribe, {}, { signal }));
        const duplex = rpc.duplex(Content.method.write, { signal });
        await duplex.send({ ref: "r" });
        while ((await duplex.receive()) !== undefined);
        assert.equal(getEventListeners(signal, "abort").length, 0);
      });
    });

    describe("server streams", () => {
      it("send nothing before the first item is asked for", async () => {
        const server = await serve(nothing);
        const stream = open().serverStream(Events.method.subscribe, {});
        await stream.return();
        assert.equal(server.connections, 0);
      });

      it("yield everything in order", async () => {
        await serve((call) => {
          for (const topic of ["/1", "/2", "/3"]) call.send(EnvelopeSchema, { topic });
          call.end();
        });
        const topics: string[] = [];
        for await (const { topic } of open().serverStream(Events.method.subscribe, {})) topics.push(topic);
        assert.deepEqual(topics, ["/1", "/2", "/3"]);
      });

      it("end at the server when the loop is left", async () => {
        const server = await serve((call) => call.send(EnvelopeSchema, { topic: "/one" }));
        const arrival = server.arrival();
        for await (const _ of open().serverStream(Events.method.subscribe, {})) break;
        assert.notEqual(await (await arrival).closed, NO_ERROR);
      });
    });

    describe("calls in both directions", () => {
      it("answer message by message and end when both sides have", async () => {
        const server = await serve(async (call) => {
          for (;;) {
            const request = await call.receive(WriteContentRequestSchema);
            if (request === undefined) return call.end();
            call.send(WriteContentResponseSchema, { offset: request.offset + BigInt(request.data.length) });
          }
        });
        const arrival = server.arrival();
        const duplex = open().duplex(Content.method.write);
        await duplex.send({ ref: "r", data: new Uint8Array(3) });
        assert.equal((await duplex.receive())?.offset, 3n);
        await duplex.send({ ref: "r", offset: 3n, data: new Uint8Array(4) });
        assert.equal((await duplex.receive())?.offset, 7n);
        duplex.end();
        assert.equal(await duplex.receive(), undefined);
        assert.equal(await (await arrival).closed, NO_ERROR);
      });

      it("are reset by cancel, which may be called twice", async () => {
        const server = await serve(nothing);
        const arrival = server.arrival();
        const duplex = open().duplex(Content.method.write);
        await duplex.send({ ref: "r" });
        const pending = assert.rejects(duplex.receive());
        duplex.cancel();
        duplex.cancel();
        await pending;
        assert.notEqual(await (await arrival).closed, NO_ERROR);
        await assert.rejects(duplex.send({ ref: "r" }));
      });

      it("reject what is pending with the signal's reason", async () => {
        const server = await serve(nothing);
        const arrival = server.arrival();
        const abort = new AbortController();
        const reason = new Error("enough");
        const duplex = open().duplex(Content.method.write, { signal: abort.signal });
        await duplex.send({ ref: "r" });
        const pending = assert.rejects(duplex.receive(), (error) => error === reason);
        await arrival;
        abort.abort(reason);
        await pending;
        await assert.rejects(duplex.send({ ref: "r" }), (error) => error === reason);
      });

      it("tell a sender who does not listen why they failed", async () => {
        const duplex = open().duplex(Content.method.write);
        await assert.rejects(duplex.send({ ref: "r" }), UnavailableError);
      });

      it("let a sender wait until the peer reads", async () => {
        const server = await serve((call) => call.stream.pause());
        const duplex = open({ maxMessageBytes: 8 << 20 }).duplex(Content.method.write);
        const arrival = server.arrival();
        const chunk = { ref: "r", data: new Uint8Array(1 << 20) };
        let taken = 0;
        const sending = (async () => {
          for (; taken < 64; taken++) await duplex.send(chunk);
        })();
        sending.catch(() => {});
        await arrival;
        // Whatever fits the windows is taken within a moment; the rest must not be.
        for (let before = -1; before !== taken; ) {
          before = taken;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        assert.ok(taken < 16, `${taken} MiB were taken by a peer that reads nothing`);
        duplex.cancel();
        await assert.rejects(sending);
      });
    });

    describe("refused streams", () => {
      const refuseFirst = (handler: (call: FakeCall) => unknown) => {
        let refused = 0;
        return (call: FakeCall) => (refused++ === 0 ? call.stream.close(REFUSED_STREAM) : handler(call));
      };

      it("are sent again", async () => {
        const server = await serve(refuseFirst(answerVersion));
        assert.equal((await version(open())).version, "1.2.3");
        assert.equal(server.calls.length, 2);
      });

      it("are opened again by streams", async () => {
        await serve(
          refuseFirst((call) => {
            call.send(EnvelopeSchema, { topic: "/one" });
            call.end();
          }),
        );
        const topics: string[] = [];
        for await (const { topic } of open().serverStream(Events.method.subscribe, {})) topics.push(topic);
        assert.deepEqual(topics, ["/one"]);
      });

      it("are opened again by calls in both directions, from their first message on", async () => {
        await serve(
          refuseFirst(async (call) => {
            const request = await call.receive(WriteContentRequestSchema);
            call.send(WriteContentResponseSchema, { offset: BigInt(request?.ref.length ?? 0) });
            call.end();
          }),
        );
        const duplex = open().duplex(Content.method.write);
        await duplex.send({ ref: "four" });
        assert.equal((await duplex.receive())?.offset, 4n);
      });

      it("are given up when they do not end", async () => {
        const server = await serve((call) => call.stream.close(REFUSED_STREAM));
        await assert.rejects(version(open()));
        assert.equal(server.calls.length, 3);
      });

      it("go to a new connection when the daemon said goodbye", async () => {
        const server = await serve(answerVersion);
        const rpc = open();
        await version(rpc);
        server.goaway();
        for (let at = 0; at < 20; at++) assert.equal((await version(rpc)).version, "1.2.3");
        assert.equal(server.connections, 2);
      });
    });

    describe("a daemon that goes away", () => {
      it("fails calls under way", async () => {
        const server = await serve(nothing);
        const arrival = server.arrival();
        const rpc = open();
        const pending = Promise.all([
          assert.rejects(version(rpc), UnavailableError),
          assert.rejects(rpc.serverStream(Events.method.subscribe, {}).next(), UnavailableError),
        ]);
        await arrival;
        await server.arrival();
        await server.kill();
        await pending;
      });

      it("fails a stream in the middle of a message", async () => {
        const server = await serve((call) => call.raw(new Uint8Array([0, 0, 0, 1, 0, 1, 2, 3])));
        const arrival = server.arrival();
        const pending = assert.rejects(open().serverStream(Events.method.subscribe, {}).next(), UnavailableError);
        await arrival;
        await new Promise((resolve) => setTimeout(resolve, 20));
        await server.kill();
        await pending;
      });

      it("is found again when it is back", async () => {
        const server = await serve(answerVersion);
        const rpc = open();
        await version(rpc);
        await server.kill();
        await assert.rejects(version(rpc), UnavailableError);
        await serve(answerVersion);
        assert.equal((await version(rpc)).version, "1.2.3");
      });

      it("is noticed when it only falls silent", async () => {
        await serve((call) => call.answer());
        const relayPath = join(directory, "relay.sock");
        await using relay = await Relay.listen({ path: relayPath }, { path });
        const rpc = open({ pingIntervalMs: 40, pingTimeoutMs: 60 }, relayPath);
        const pending = assert.rejects(rpc.serverStream(Events.method.subscribe, {}).next(), UnavailableError);
        await daemon?.arrival();
        relay.swallow();
        await pending;
      });

      it("is not held for silent while it answers pings", async () => {
        const server = await serve(nothing);
        const rpc = open({ pingIntervalMs: 20, pingTimeoutMs: 5_000 });
        const arrival = server.arrival();
        const pending = version(rpc);
        const call = await arrival;
        await new Promise((resolve) => setTimeout(resolve, 200));
        answerVersion(call);
        assert.equal((await pending).version, "1.2.3");
        assert.equal(server.connections, 1);
      });
    });

    describe("messages that are too large", () => {
      for (const [size, bytes] of [
        ["17 MiB", 17 << 20],
        ["4 GiB", 0xffff_ffff],
      ] as const) {
        it(`are refused by their announced size of ${size}, before a byte of them came`, async () => {
          const prefix = Buffer.alloc(5);
          prefix.writeUInt32BE(bytes, 1);
          await serve((call) => call.raw(prefix));
          const rpc = open();
          await assert.rejects(version(rpc, { timeoutMs: 20_000 }), ResourceExhaustedError);
          await assert.rejects(
            rpc.serverStream(Events.method.subscribe, {}, { timeoutMs: 20_000 }).next(),
            ResourceExhaustedError,
          );
        });
      }

      it("are not sent", async () => {
        await serve(nothing);
        const duplex = open({ maxMessageBytes: 1024 }).duplex(Content.method.write);
        await assert.rejects(async () => {
          await duplex.send({ ref: "r", data: new Uint8Array(2048) });
          await duplex.receive();
        }, ResourceExhaustedError);
      });
    });

    describe("a socket that cannot be used", () => {
      it("is unavailable when it is not there, or nobody listens", async () => {
        await assert.rejects(version(open()), UnavailableError);
        await writeFile(path, "");
        await assert.rejects(version(open()), UnavailableError);
      });

      it("is a denied permission when the system says so", async () => {
        const server = await FakeDaemon.listen({ path }, answerVersion);
        daemon = server;
        // Root may do anything: the kernel looks at the effective user.
        const root = process.geteuid?.() === 0;
        await chmod(path, 0o600);
        if (!root) await chmod(path, 0o000);
        if (root) process.seteuid?.(65_534);
        try {
          await assert.rejects(version(open()), PermissionDeniedError);
        } finally {
          if (root) process.seteuid?.(0);
        }
      });

      it("fails every call after close, for good", async () => {
        await serve(answerVersion);
        const rpc = open();
        await version(rpc);
        rpc.close();
        rpc.close();
        await assert.rejects(version(rpc), (error) => isContainerdError(error, "canceled"));
      });
    });
  });
}
