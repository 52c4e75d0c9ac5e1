import assert from "node:assert/strict";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Content,
  ReadContentResponseSchema,
  WriteContentRequestSchema,
} from "../../src/api/services/content/v1/content_pb.js";
import { isContainerdError, UnavailableError } from "../../src/errors.js";
import type { FakeCall } from "./fake-daemon.js";
import { it, type TransportBed } from "./transport-bed.js";

const MESSAGES = 28;

/** Sends so much that a client who does not read holds it back, and all the same has the whole answer. */
export function answerMuch(call: FakeCall, messages: number = MESSAGES): void {
  for (let at = 0; at < messages; at++) {
    call.send(ReadContentResponseSchema, { offset: BigInt(at), data: new Uint8Array(100 * 1024) });
  }
  call.end();
}

/** Streams whose reader is slow, and streams that are left. */
export function leftCases(bed: TransportBed): void {
  const { serve, open } = bed;

  describe("a stream that is read slowly", () => {
    for (const [how, code] of [
      ["the daemon goes away", "unavailable"],
      ["the connection is closed", "canceled"],
    ] as const) {
      it(`is never taken for whole when ${how} before it was read`, async () => {
        const server = await serve((call) => answerMuch(call));
        const rpc = open();
        let got = 0;
        const reading = (async () => {
          for await (const _ of rpc.serverStream(Content.method.read, { digest: "d" })) {
            if (got++ > 0) continue;
            await sleep(300);
            if (code === "canceled") rpc.close();
            else await server.kill();
            await sleep(50);
          }
        })();
        try {
          await reading;
        } catch (reason) {
          assert.equal(isContainerdError(reason) && reason.code, code);
          return;
        }
        assert.equal(got, MESSAGES);
      });
    }
  });

  describe("a stream that is left", () => {
    it("is over for both when the daemon ends it and the client has not", async () => {
      const server = await serve(async (call) => {
        await call.receive(WriteContentRequestSchema);
        call.fail(14, "locked");
      });
      const arrival = server.arrival();
      const duplex = open().duplex(Content.method.write);
      await duplex.send({ ref: "r" });
      await assert.rejects(duplex.receive(), UnavailableError);
      await (await arrival).closed;
    });
  });
}
