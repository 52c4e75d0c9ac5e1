import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Containers, ListContainersResponseSchema } from "../../src/api/services/containers/v1/containers_pb.js";
import { Images, ListImagesResponseSchema } from "../../src/api/services/images/v1/images_pb.js";
import { InternalError, ResourceExhaustedError } from "../../src/errors.js";
import { requireWeight } from "../../src/rpc/message-weight.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, tcpTransport, unixTransport } from "../../src/rpc/transport.js";
import { type FakeCall, FakeDaemon, type Place } from "./fake-daemon.js";

const MIB = 1024 * 1024;
const LIMIT = 16 * MIB;
const digest = `sha256:${"a".repeat(64)}`;
const time = { seconds: 1_700_000_000n, nanos: 123_456_789 };
const labels = {
  "containerd.io/gc.ref.content.config": digest,
  "containerd.io/distribution.source.x": "library/x",
  a: "b",
};

const manyImages = create(ListImagesResponseSchema, {
  images: Array.from({ length: 10_000 }, (_, nth) => ({
    name: `registry.example/some/repository-${nth}:latest`,
    labels,
    target: { mediaType: "application/vnd.oci.image.index.v1+json", digest, size: 1234n },
    createdAt: time,
    updatedAt: time,
  })),
});
const manyContainers = create(ListContainersResponseSchema, {
  containers: Array.from({ length: 1_000 }, (_, nth) => ({
    id: `container-${nth}`,
    labels: Object.fromEntries(Array.from({ length: 30 }, (_one, at) => [`label-${at}`, "x".repeat(60)])),
    image: "registry.example/some/repository:latest",
    spec: { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", value: Buffer.alloc(9_000, 1) },
    createdAt: time,
    updatedAt: time,
  })),
});

function times(count: number, ...record: readonly number[]): Buffer {
  return Buffer.alloc(count * record.length, Buffer.from(record));
}

function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

describe("the weight of a message", () => {
  it("is too much when records are many and empty, whatever they are", () => {
    for (const record of [
      [0x0a, 0],
      [0x0a, 2, 0x1a, 0],
      [0x0a, 2, 0x12, 0],
      [0x0a, 4, 0x12, 2, 0x0a, 0],
    ]) {
      assert.throws(() => requireWeight(ListImagesResponseSchema, times(MIB, ...record), LIMIT), /of memory/);
    }
  });

  it("lets pass what an honest daemon has", () => {
    requireWeight(ListImagesResponseSchema, toBinary(ListImagesResponseSchema, manyImages), LIMIT);
    requireWeight(ListContainersResponseSchema, toBinary(ListContainersResponseSchema, manyContainers), LIMIT);
  });

  it("is none of what no reader takes for a message", () => {
    for (const record of [
      [0x08, 1],
      [0x0a, 0x7f],
      [0x0a, 2, 0x1a, 1],
      [0x0a, 2, 0x08, 1],
    ]) {
      assert.throws(() => requireWeight(ListImagesResponseSchema, times(MIB, ...record), LIMIT), /not a containerd/);
    }
  });
});

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "weight-"));
});
after(() => rm(directory, { recursive: true, force: true }));

for (const kind of ["a socket", "TCP"]) {
  describe(`over ${kind}`, () => {
    let daemon: FakeDaemon;
    let transport: Transport;

    async function answering(answer: (call: FakeCall) => unknown): Promise<Rpc> {
      const place: Place = kind === "TCP" ? { port: 0, host: "127.0.0.1" } : { path: join(directory, "c.sock") };
      daemon = await FakeDaemon.listen(place, answer);
      transport = "path" in place ? unixTransport(place.path) : tcpTransport(`127.0.0.1:${daemon.port}`);
      return new Rpc(transport, "weight");
    }
    afterEach(async () => {
      transport.close?.();
      await daemon[Symbol.asyncDispose]();
    });

    it("a list that would fill the memory is refused", async () => {
      const rpc = await answering((call) => {
        call.raw(framed(times(MIB, 0x0a, 0)));
        call.end();
      });
      await assert.rejects(rpc.unary(Images.method.list, {}), ResourceExhaustedError);
    });

    it("honest lists are read, and their ends too", async () => {
      const rpc = await answering((call) => {
        if (call.path.includes("images")) call.send(ListImagesResponseSchema, manyImages);
        else call.send(ListContainersResponseSchema, manyContainers);
        call.end();
      });
      assert.equal((await rpc.unary(Images.method.list, {})).images.length, 10_000);
      assert.equal((await rpc.unary(Containers.method.list, {})).containers.length, 1_000);
    });

    it("a message that ends too early is none", async () => {
      const rpc = await answering((call) => {
        call.raw(framed(Buffer.alloc(200_000)).subarray(0, 100_000));
        call.end();
      });
      await assert.rejects(rpc.unary(Images.method.list, {}), InternalError);
    });
  });
}
