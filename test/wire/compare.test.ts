import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clone, create } from "@bufbuild/protobuf";
import {
  FieldOptionsSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { compareFacts } from "../../scripts/descriptors/compare.js";
import { isKnownIn, knownIn } from "../../scripts/descriptors/known-in.js";
import { generatedFiles, judge } from "../../scripts/descriptors/verify.js";
import { wireFacts } from "../../scripts/descriptors/wire-facts.js";
import { fieldOf, fileOf, messageOf, PLANTED_DEFECTS } from "./planted-defects.js";

const NEWEST = "99.0.0";

function copiedFiles(): FileDescriptorProto[] {
  return generatedFiles().map((file) => clone(FileDescriptorProtoSchema, file));
}

describe("comparison of descriptors", () => {
  const truth = wireFacts(generatedFiles());

  it("finds no defect in equal descriptions", () => {
    const { defects, compared, omitted } = compareFacts(wireFacts(copiedFiles()), truth);
    assert.deepEqual(defects, []);
    assert.deepEqual(omitted, []);
    assert.equal(compared.length, truth.size);
  });

  for (const { what, file, plant, seen } of PLANTED_DEFECTS) {
    it(`sees a planted defect: ${what}`, () => {
      const ours = copiedFiles();
      plant(fileOf(ours, file));
      assert.match(judge(wireFacts(ours), truth, NEWEST).defects.join("\n"), seen);
    });
  }

  it("lets ours leave out whole messages and methods, and names them", () => {
    const ours = copiedFiles();
    const content = fileOf(ours, "services/content/v1/content.proto");
    content.messageType = content.messageType.filter((message) => message.name !== "AbortRequest");
    content.service[0]?.method.pop();
    const { defects, omitted } = compareFacts(wireFacts(ours), truth);
    assert.deepEqual(defects, []);
    assert.deepEqual(omitted, [
      "containerd.services.content.v1.AbortRequest",
      "containerd.services.content.v1.Content.Abort",
    ]);
  });

  it("takes a type that moved for the same, and still compares its fields", () => {
    const moved = new Map([["old.place.Envelope", "containerd.types.Envelope"]]);
    const theirs = copiedFiles();
    const event = fileOf(theirs, "types/event.proto");
    event.package = "old.place";
    assert.deepEqual(compareFacts(truth, wireFacts(theirs, moved)).defects, []);
    fieldOf(event, "Envelope", "topic").type = Type.BYTES;
    assert.deepEqual(compareFacts(truth, wireFacts(theirs, moved)).defects, [
      "containerd.types.Envelope.topic: type is string in ours, bytes in the daemon's",
    ]);
  });

  it("tells packed lists of numbers from expanded ones", () => {
    const theirs = copiedFiles();
    const numbers = (packed: boolean): FileDescriptorProto[] => {
      const files = copiedFiles();
      const field = fieldOf(fileOf(files, "services/tasks/v1/tasks.proto"), "KillRequest", "signal");
      field.label = 3;
      field.options = create(FieldOptionsSchema, { packed });
      return files;
    };
    assert.equal(compareFacts(wireFacts(numbers(true)), wireFacts(numbers(true))).defects.length, 0);
    assert.match(compareFacts(wireFacts(numbers(true)), wireFacts(numbers(false))).defects.join(), /packing is packed/);
    assert.match(compareFacts(wireFacts(numbers(true)), wireFacts(theirs)).defects.join(), /cardinality is repeated/);
  });

  it("excuses what a daemon cannot know by its release, and nothing else", () => {
    const theirs = copiedFiles();
    messageOf(fileOf(theirs, "types/platform.proto"), "Platform").field.pop();
    assert.deepEqual(judge(truth, wireFacts(theirs), "2.1.9").onlyOurs, ["containerd.types.Platform.os_features"]);
    assert.deepEqual(judge(truth, wireFacts(theirs), "2.1.9").defects, []);
    assert.deepEqual(judge(truth, wireFacts(theirs), "2.3.0").defects, [
      "containerd.types.Platform.os_features: only ours has it, but containerd 2.3.0 should know it",
    ]);
  });

  it("orders releases by number, not by letter", () => {
    assert.equal(isKnownIn("1.10.0", { from: "1.9.0" }), true);
    assert.equal(isKnownIn("1.7.8", { from: "1.7.14" }), false);
    assert.equal(isKnownIn("1.7.24", { before: "2.0.0" }), true);
    assert.equal(isKnownIn("2.0.0", { before: "2.0.0" }), false);
    assert.equal(isKnownIn("2.0.0", undefined), true);
  });

  it("lists ranges of releases only for what our description has", () => {
    const names = new Set(
      [...truth].flatMap(([name, symbol]) => [
        name,
        ...[...symbol.members].map(([key, facts]) => `${name}.${facts["name"] ?? key}`),
      ]),
    );
    assert.deepEqual(
      [...knownIn.keys()].filter((name) => !names.has(name)),
      [],
    );
  });
});
