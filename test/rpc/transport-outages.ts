import assert from "node:assert/strict";
import type net from "node:net";
import { describe } from "node:test";
import { Content } from "../../src/api/services/content/v1/content_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import {
  ContainerdError,
  InternalError,
  isContainerdError,
  PermissionDeniedError,
  ResourceExhaustedError,
  UnavailableError,
} from "../../src/errors.js";
import { RawServer } from "./raw-server.js";
import { Relay } from "./relay.js";
import { answerVersion, it, nothing, type TransportBed, version } from "./transport-bed.js";

const PROTOCOL_ERROR = 1;
const INTERNAL_ERROR = 2;
const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;
const INADEQUATE_SECURITY = 12;

/** Peers that go away, fall silent or never were one. */
export function outageCases(bed: TransportBed): void {
  const { serve, open, elsewhere } = bed;

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
      const server = await serve((call) => call.answer());
      const there = await elsewhere();
      await using relay = await Relay.listen(there, bed.place);
      const rpc = open({ pingIntervalMs: 40, pingTimeoutMs: 60 }, there);
      const pending = assert.rejects(rpc.serverStream(Events.method.subscribe, {}).next(), UnavailableError);
      await server.arrival();
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

    it("fails calls in both directions, whether they wait for an answer or for room", async () => {
      const server = await serve((call) => call.stream.pause());
      const rpc = open({ maxMessageBytes: 8 << 20 });
      const arrivals = Promise.all([server.arrival(), server.arrival()]);
      const listening = rpc.duplex(Content.method.write);
      await listening.send({ ref: "r" });
      const sending = rpc.duplex(Content.method.write);
      const chunk = { ref: "r", data: new Uint8Array(1 << 20) };
      const pending = Promise.all([
        assert.rejects(listening.receive(), UnavailableError),
        assert.rejects(async () => {
          for (let sent = 0; sent < 64; sent++) await sending.send(chunk);
        }, UnavailableError),
      ]);
      await arrivals;
      await new Promise((resolve) => setTimeout(resolve, 100));
      await server.kill();
      await pending;
    });

    for (const [how, hangUp] of [
      ["ends its side of the connection", (socket: net.Socket) => socket.end()],
      ["resets the connection", reset],
    ] as const) {
      it(`fails calls under way when it ${how}`, async () => {
        const server = await serve((call) => call.answer());
        const there = await elsewhere();
        await using relay = await Relay.listen(there, bed.place);
        const rpc = open({}, there);
        const arrivals = Promise.all([server.arrival(), server.arrival()]);
        const pending = Promise.all([
          assert.rejects(version(rpc), UnavailableError),
          assert.rejects(rpc.serverStream(Events.method.subscribe, {}).next(), UnavailableError),
        ]);
        await arrivals;
        for (const socket of relay.near) hangUp(socket);
        await pending;
      });
    }

    it("is found again each time, by all who ask at once over one connection", async () => {
      const rpc = open();
      for (let life = 0; life < 4; life++) {
        const server = await serve(answerVersion);
        const answers = await Promise.all(Array.from({ length: 8 }, () => version(rpc)));
        assert.deepEqual(new Set(answers.map((answer) => answer.version)), new Set(["1.2.3"]));
        assert.equal(server.connections, 1);
        await server.kill();
        await Promise.all(Array.from({ length: 8 }, () => assert.rejects(version(rpc), UnavailableError)));
      }
    });

    it("is unavailable when it takes the connection and says nothing", async () => {
      await using _silent = await RawServer.listen(bed.place, () => {});
      const rpc = open({ connectTimeoutMs: 150, pingIntervalMs: 50, pingTimeoutMs: 50 });
      await Promise.all([
        assert.rejects(version(rpc), UnavailableError),
        assert.rejects(rpc.serverStream(Events.method.subscribe, {}).next(), UnavailableError),
        assert.rejects(async () => {
          const duplex = rpc.duplex(Content.method.write);
          await duplex.send({ ref: "r" });
          await duplex.receive();
        }, UnavailableError),
      ]);
    });

    it("is unavailable when it hangs up at once", async () => {
      await using _rude = await RawServer.listen(bed.place, (socket) => socket.destroy());
      await assert.rejects(version(open()), UnavailableError);
    });

    it("is told from one that speaks something else", async () => {
      const greeting = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
      await using _web = await RawServer.listen(bed.place, (socket) => socket.end(greeting));
      await assert.rejects(version(open()), ContainerdError);
    });

    it("ends a call with the reset it sends", async () => {
      await serve((call) => call.stream.close(Number(call.headers["containerd-namespace"])));
      const rpc = open();
      for (const [code, kind] of [
        [PROTOCOL_ERROR, InternalError],
        [INTERNAL_ERROR, InternalError],
        [CANCEL, UnavailableError],
        [ENHANCE_YOUR_CALM, ResourceExhaustedError],
        [INADEQUATE_SECURITY, PermissionDeniedError],
      ] as const) {
        await assert.rejects(version(rpc.inNamespace(String(code))), kind, String(code));
      }
    });
  });

  describe("a connection", () => {
    it("is unavailable when nobody listens", async () => {
      const rpc = open();
      await assert.rejects(version(rpc), UnavailableError);
      await assert.rejects(rpc.serverStream(Events.method.subscribe, {}).next(), UnavailableError);
    });

    it("fails every call after close, for good", async () => {
      await serve(answerVersion);
      const rpc = open();
      await version(rpc);
      rpc.close();
      rpc.close();
      await assert.rejects(version(rpc), (error) => isContainerdError(error, "canceled"));
    });

    it("fails calls under way when it is closed", async () => {
      const server = await serve(nothing);
      const rpc = open();
      const arrivals = Promise.all([server.arrival(), server.arrival()]);
      const pending = Promise.all([
        assert.rejects(version(rpc), ContainerdError),
        assert.rejects(rpc.serverStream(Events.method.subscribe, {}).next(), ContainerdError),
      ]);
      await arrivals;
      rpc.close();
      await pending;
    });
  });
}

/** Only TCP has a word for it. */
function reset(socket: net.Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
