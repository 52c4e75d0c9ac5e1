import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  Content,
  WriteContentRequestSchema,
  WriteContentResponseSchema,
} from "../../src/api/services/content/v1/content_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { EnvelopeSchema } from "../../src/api/types/event_pb.js";
import type { FakeCall } from "./fake-daemon.js";
import { answerVersion, it, NO_ERROR, nothing, REFUSED_STREAM, type TransportBed, version } from "./transport-bed.js";

/** Calls the peer has not looked at. */
export function refusalCases(bed: TransportBed): void {
  const { serve, open } = bed;

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

    it("are sent again when the goodbye comes before the daemon has looked at them", async () => {
      const server = await serve((call) => {
        if (server.calls.length !== 2) return answerVersion(call);
        return call.stream.session?.goaway(NO_ERROR, 1);
      });
      const rpc = open();
      await version(rpc);
      assert.equal((await version(rpc)).version, "1.2.3");
      assert.equal(server.connections, 2);
    });

    it("are not what a goodbye makes of the calls under way", async () => {
      const server = await serve(nothing);
      const arrival = server.arrival();
      const rpc = open();
      const pending = version(rpc);
      const call = await arrival;
      server.goaway();
      const next = server.arrival();
      const second = version(rpc);
      answerVersion(await next);
      assert.equal((await second).version, "1.2.3");
      answerVersion(call);
      assert.equal((await pending).version, "1.2.3");
      assert.equal(server.connections, 2);
    });

    it("are none when the daemon takes only a few at once", async () => {
      let under = 0;
      let most = 0;
      const server = await serve(
        (call) => {
          most = Math.max(most, ++under);
          setTimeout(() => {
            under--;
            answerVersion(call);
          }, 5);
        },
        { settings: { maxConcurrentStreams: 4 } },
      );
      const rpc = open();
      await version(rpc);
      await Promise.all(Array.from({ length: 40 }, () => version(rpc)));
      assert.equal(server.connections, 1);
      assert.ok(most <= 4, `${most} at once`);
    });
  });
}
