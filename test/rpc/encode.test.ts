import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { WriteAction, WriteContentRequestSchema } from "../../src/api/services/content/v1/content_pb.js";
import { encode } from "../../src/rpc/encode.js";

describe("a message on the wire", () => {
  for (const size of [0, 1, 65_535, 65_536, 1024 * 1024]) {
    it(`says the same with ${size} bytes in it, and copies only few`, () => {
      const data = randomBytes(size);
      const request = { action: WriteAction.COMMIT, ref: "r", total: 7n, expected: "sha256:x", offset: 3n, data };
      for (const input of [request, create(WriteContentRequestSchema, request)]) {
        const parts = encode(WriteContentRequestSchema, input);
        const message = fromBinary(WriteContentRequestSchema, new Uint8Array(Buffer.concat(parts)));
        assert.deepEqual(message, create(WriteContentRequestSchema, { ...request, data: new Uint8Array(data) }));
        assert.equal(parts.at(-1) === data, size >= 65_536);
        assert.equal(input.data, data);
      }
    });
  }
});
