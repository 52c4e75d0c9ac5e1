import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  Content,
  WriteContentRequestSchema,
  WriteContentResponseSchema,
} from "../../src/api/services/content/v1/content_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { EnvelopeSchema } from "../../src/api/types/event_pb.js";
import { DataLossError, FailedPreconditionError, NotFoundError, UnavailableError } from "../../src/errors.js";
import { it, NO_ERROR, nothing, type TransportBed } from "./transport-bed.js";

/** Any number of messages, either way. */
export function streamCases(bed: TransportBed): void {
  const { serve, open } = bed;

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

    it("fail with a status that is head and end in one", async () => {
      await serve((call) => call.fail(5, "no such thing"));
      await assert.rejects(open().serverStream(Events.method.subscribe, {}).next(), (error) => {
        assert.ok(error instanceof NotFoundError, String(error));
        assert.equal(error.message, "no such thing");
        return true;
      });
    });

    it("are empty when nothing came but the end", async () => {
      await serve((call) => (call.headers["containerd-lease"] === undefined ? call.end() : call.fail(0, "")));
      const rpc = open();
      for (const call of [{}, { lease: { id: "l1" } }]) {
        assert.deepEqual(await rpc.serverStream(Events.method.subscribe, {}, call).next(), {
          done: true,
          value: undefined,
        });
      }
    });

    it("yield what came before the failure", async () => {
      await serve((call) => {
        call.send(EnvelopeSchema, { topic: "/1" });
        call.send(EnvelopeSchema, { topic: "/2" });
        call.end(15, "damaged");
      });
      const topics: string[] = [];
      await assert.rejects(async () => {
        for await (const { topic } of open().serverStream(Events.method.subscribe, {})) topics.push(topic);
      }, DataLossError);
      assert.deepEqual(topics, ["/1", "/2"]);
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

    it("are over when the peer is done, though the sender is not", async () => {
      await serve(async (call) => {
        await call.receive(WriteContentRequestSchema);
        call.send(WriteContentResponseSchema, { offset: 1n });
        call.end();
      });
      const duplex = open().duplex(Content.method.write);
      await duplex.send({ ref: "r" });
      assert.equal((await duplex.receive())?.offset, 1n);
      assert.equal(await duplex.receive(), undefined);
      // To nobody: neither is anything wrong, nor may it wait.
      await Promise.allSettled([duplex.send({ ref: "r", data: new Uint8Array(1 << 20) })]);
      duplex.cancel();
    });

    it("fail with the status of a peer that ends them while the sender still waits", async () => {
      await serve((call) => {
        call.stream.pause();
        setTimeout(() => call.fail(9, "not now"), 100);
      });
      const duplex = open({ maxMessageBytes: 8 << 20 }).duplex(Content.method.write);
      const chunk = { ref: "r", data: new Uint8Array(1 << 20) };
      await assert.rejects(async () => {
        for (let sent = 0; sent < 64; sent++) await duplex.send(chunk);
        await duplex.receive();
      }, FailedPreconditionError);
    });
  });
}
