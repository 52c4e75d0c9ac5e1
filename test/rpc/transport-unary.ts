import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe } from "node:test";
import { Content, WriteContentRequestSchema } from "../../src/api/services/content/v1/content_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { VersionResponseSchema } from "../../src/api/services/version/v1/version_pb.js";
import { EnvelopeSchema } from "../../src/api/types/event_pb.js";
import {
  ContainerdError,
  DeadlineExceededError,
  InternalError,
  InvalidArgumentError,
  NotFoundError,
  NotImplementedError,
  PermissionDeniedError,
  UnauthenticatedError,
  UnavailableError,
  UnknownError,
} from "../../src/errors.js";
import { RawServer } from "./raw-server.js";
import { answerVersion, it, NO_ERROR, nothing, type TransportBed, version } from "./transport-bed.js";

/** One message out, one back. */
export function unaryCases(bed: TransportBed): void {
  const { serve, open } = bed;

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

    it("say whole milliseconds, whatever part of one they have", async () => {
      const server = await serve(answerVersion);
      await version(open(), { timeoutMs: 20_000.25 });
      assert.match(String(server.calls[0]?.headers["grpc-timeout"]), /^\d+m$/);
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

    it("fail when there is no message, or more than one", async () => {
      await serve((call) => {
        if (call.headers["containerd-namespace"] === "two") call.send(VersionResponseSchema, { version: "1" });
        if (call.headers["containerd-namespace"] !== "none") call.send(VersionResponseSchema, { version: "2" });
        call.end();
      });
      const rpc = open();
      await assert.rejects(version(rpc.inNamespace("none")), InternalError);
      await assert.rejects(version(rpc.inNamespace("two")), InternalError);
      assert.equal((await version(rpc)).version, "2");
    });

    it("fail when head and status are one, and say that all is well", async () => {
      await serve((call) => call.fail(0, ""));
      await assert.rejects(version(open()), InternalError);
    });

    it("fail with words that are not encoded", async () => {
      await serve((call) => call.refuse({ "grpc-status": "5", "grpc-message": "100% gone" }));
      await assert.rejects(version(open()), (error) => {
        assert.ok(error instanceof NotFoundError, String(error));
        assert.equal(error.message, "100% gone");
        return true;
      });
    });

    it("fail with what HTTP says where nobody speaks gRPC", async () => {
      await serve((call) =>
        call.refuse({ ":status": Number(call.headers["containerd-namespace"]), "content-type": "text/html" }),
      );
      const rpc = open();
      for (const [status, kind] of [
        [401, UnauthenticatedError],
        [403, PermissionDeniedError],
        [404, NotImplementedError],
        [429, UnavailableError],
        [503, UnavailableError],
        [500, UnknownError],
      ] as const) {
        await assert.rejects(version(rpc.inNamespace(String(status))), kind, String(status));
      }
    });

    it("fail when the answer is no gRPC", async () => {
      await serve((call) => call.refuse({ ":status": 200, "content-type": "text/html" }));
      await assert.rejects(version(open()), ContainerdError);
    });
  });

  describe("deadlines", () => {
    it("are none where a call may take for ever, or longer than a timer can wait", async () => {
      await serve(answerVersion);
      const rpc = open();
      for (const timeoutMs of [Number.POSITIVE_INFINITY, 2 ** 31, 1e12]) {
        assert.equal((await version(rpc, { timeoutMs })).version, "1.2.3");
      }
      await assert.rejects(version(rpc, { timeoutMs: Number.NaN }), InvalidArgumentError);
    });

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

    it("end a stream between two messages", async () => {
      const server = await serve((call) => call.send(EnvelopeSchema, { topic: "/one" }));
      const arrival = server.arrival();
      const stream = open().serverStream(Events.method.subscribe, {}, { timeoutMs: 300 });
      assert.equal((await stream.next()).value?.topic, "/one");
      await assert.rejects(stream.next(), DeadlineExceededError);
      assert.notEqual(await (await arrival).closed, NO_ERROR);
    });

    it("end a call in both directions", async () => {
      const server = await serve(nothing);
      const arrival = server.arrival();
      const duplex = open().duplex(Content.method.write, { timeoutMs: 200 });
      await duplex.send({ ref: "r" });
      await assert.rejects(duplex.receive(), DeadlineExceededError);
      assert.notEqual(await (await arrival).closed, NO_ERROR);
    });

    it("end a call whose connection is still being made", async () => {
      await using _silent = await RawServer.listen(bed.place, () => {});
      await assert.rejects(version(open(), { timeoutMs: 100 }), DeadlineExceededError);
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

    it("end a call whose connection is still being made", async () => {
      await using silent = await RawServer.listen(bed.place, () => {});
      const abort = new AbortController();
      const reason = new Error("enough");
      const pending = assert.rejects(version(open(), { signal: abort.signal }), (error) => error === reason);
      await silent.arrival;
      abort.abort(reason);
      await pending;
      assert.equal(getEventListeners(abort.signal, "abort").length, 0);
    });
  });
}
