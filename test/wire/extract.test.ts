import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deflateRawSync } from "node:zlib";
import { create, equals, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { extractDescriptors } from "../../scripts/descriptors/extract.js";
import { generatedFiles } from "../../scripts/descriptors/verify.js";

const GZIP_HEADER = Buffer.from("1f8b08000000000002ff", "hex");
const NOISE = Buffer.from("\n\x08a.proto see b.proto\x00\n\x07c.proto\xff\xff\xff\xff\xff\x1f\x8b\x08\x00", "latin1");

function plain(file: FileDescriptorProto): Buffer {
  return Buffer.from(toBinary(FileDescriptorProtoSchema, file));
}

function compressed(file: FileDescriptorProto): Buffer {
  return Buffer.concat([GZIP_HEADER, deflateRawSync(plain(file)), Buffer.from("checksum")]);
}

function assertFound(binary: Buffer, expected: readonly FileDescriptorProto[]): void {
  const found = extractDescriptors(binary);
  assert.deepEqual(found.map((file) => file.name).sort(), expected.map((file) => file.name).sort());
  for (const file of expected) {
    const same = found.find((other) => other.name === file.name);
    assert.ok(same && equals(FileDescriptorProtoSchema, same, file), `${file.name} came out changed`);
  }
}

describe("extraction of descriptors", () => {
  const files = generatedFiles();

  it("finds descriptors kept as plain bytes, one right behind the other", () => {
    assertFound(Buffer.concat([NOISE, ...files.map(plain), NOISE]), files);
  });

  it("finds compressed descriptors", () => {
    assertFound(Buffer.concat([NOISE, ...files.flatMap((file) => [compressed(file), NOISE])]), files);
  });

  it("finds both kinds in one binary, each file once", () => {
    assertFound(
      Buffer.concat(files.flatMap((file, i) => (i % 2 ? [plain(file)] : [compressed(file), plain(file)]))),
      files,
    );
  });

  it("skips a descriptor that is cut off", () => {
    const [file] = files;
    assert.ok(file);
    assertFound(plain(file).subarray(0, -4), []);
    assertFound(compressed(file).subarray(0, 40), []);
  });

  it("skips a file whose name is no path", () => {
    assertFound(plain(create(FileDescriptorProtoSchema, { name: "no path.proto", syntax: "proto3" })), []);
  });
});
