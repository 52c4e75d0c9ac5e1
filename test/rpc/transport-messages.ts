import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  Content,
  ReadContentResponseSchema,
  WriteContentRequestSchema,
} from "../../src/api/services/content/v1/content_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { ContainerdError, InternalError, ResourceExhaustedError, UnavailableError } from "../../src/errors.js";
import { answerVersion, it, nothing, type TransportBed, version } from "./transport-bed.js";

/** Messages no peer should send. */
export function messageCases(bed: TransportBed): void {
  const { serve, open } = bed;

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

    it("are not those that just fit", async () => {
      const data = new Uint8Array(1 << 20).fill(7);
      await serve(async (call) => {
        const request = await call.receive(WriteContentRequestSchema);
        const isRead = call.path.endsWith("/Read");
        call.send(ReadContentResponseSchema, isRead ? { data } : { offset: BigInt(request?.data.length ?? 0) });
        call.end();
      });
      const rpc = open({ maxMessageBytes: (1 << 20) + 16 });
      for await (const message of rpc.serverStream(Content.method.read, {})) assert.equal(message.data.length, 1 << 20);
      const duplex = rpc.duplex(Content.method.write);
      await duplex.send({ data });
      assert.ok(await duplex.receive());
      duplex.cancel();
    });
  });

  describe("messages that are not whole, or none", () => {
    it("fail a call that ends in the middle of one", async () => {
      await serve((call) => {
        call.raw(new Uint8Array([0, 0, 0, 0, 9, 1, 2]));
        call.end();
      });
      const rpc = open();
      await assert.rejects(version(rpc), InternalError);
      await assert.rejects(rpc.serverStream(Events.method.subscribe, {}).next(), InternalError);
    });

    it("fail a call without a status", async () => {
      await serve((call) => {
        call.stream.respond({ ":status": 200, "content-type": "application/grpc" });
        call.stream.end();
      });
      await assert.rejects(version(open()), UnavailableError);
    });

    it("fail a call whose status cannot be one", async () => {
      await serve((call) => {
        call.answer();
        call.stream.on("wantTrailers", () =>
          call.stream.sendTrailers({ "grpc-status": String(call.headers["containerd-lease"] ?? "") }),
        );
        call.stream.end();
      });
      const rpc = open();
      for (const id of ["", "00", "-1", "1.5", "OK"]) {
        const stream = rpc.serverStream(Events.method.subscribe, {}, { lease: { id } });
        await assert.rejects(stream.next(), ContainerdError, JSON.stringify(id));
      }
    });

    it("fail a call, and no other, whose status says more than there may be", async () => {
      await serve((call) =>
        call.headers["containerd-lease"] === undefined ? answerVersion(call) : call.fail(5, "x".repeat(65_400)),
      );
      const rpc = open();
      await assert.rejects(version(rpc, { lease: { id: "l1" } }), ContainerdError);
      assert.equal((await version(rpc)).version, "1.2.3");
    });

    it("fail a call when they are packed, which nobody asked for", async () => {
      await serve((call) => {
        call.raw(new Uint8Array([1, 0, 0, 0, 1, 0]));
        call.end();
      });
      await assert.rejects(version(open()), InternalError);
    });

    it("fail a call when they cannot be read", async () => {
      await serve((call) => {
        call.raw(new Uint8Array([0, 0, 0, 0, 2, 0x0a, 0x7f]));
        call.end();
      });
      await assert.rejects(version(open()), ContainerdError);
    });
  });
}
