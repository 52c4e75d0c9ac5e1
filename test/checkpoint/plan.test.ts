import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type CheckpointOption,
  planCheckpoint,
  withCheckpointAnnotations,
  withCheckpointImage,
  withCheckpointLabels,
  withCheckpointRuntime,
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
} from "../../src/checkpoint/plan.js";
import { planRestore, withRestoreRuntime, withRestoreRW } from "../../src/checkpoint/restore-plan.js";
import { InvalidArgumentError } from "../../src/errors.js";

describe("planCheckpoint", () => {
  it("leaves every part open when none is named: everything the container has", () => {
    const { image, runtime, task, rw } = planCheckpoint([withCheckpointTaskExit(), withCheckpointLabels({ a: "b" })]);
    assert.deepEqual(
      { image, runtime, task, rw },
      { image: undefined, runtime: undefined, task: undefined, rw: undefined },
    );
  });

  it("takes only the parts that are named", () => {
    const { image, runtime, task, rw } = planCheckpoint([withCheckpointTask(), withCheckpointRW("zstd")]);
    assert.deepEqual({ image, runtime, task, rw }, { image: false, runtime: false, task: true, rw: true });
  });

  it("gives the same plan in every order of options", () => {
    const options: CheckpointOption[] = [
      withCheckpointImage(),
      withCheckpointRuntime(),
      withCheckpointTask({ openTcp: true }),
      withCheckpointTask({ fileLocks: false }),
      withCheckpointRW("none"),
      withCheckpointTaskExit(),
      withCheckpointAnnotations({ x: "1" }),
      withCheckpointLabels({ y: "2" }),
    ];
    const expected = planCheckpoint(options);
    fc.assert(
      fc.property(fc.shuffledSubarray(options, { minLength: options.length }), (shuffled) => {
        assert.deepEqual(planCheckpoint(shuffled), expected);
      }),
    );
  });

  it("refuses to end a task whose memory is not saved", () => {
    assert.throws(() => planCheckpoint([withCheckpointRW(), withCheckpointTaskExit()]), InvalidArgumentError);
  });

  for (const key of ["io.containerd.checkpoint.runtime", "containerd-client.x", "org.opencontainers.image.ref.name"]) {
    it(`refuses annotation ${key}`, () => {
      assert.throws(() => planCheckpoint([withCheckpointAnnotations({ [key]: "x" })]), InvalidArgumentError);
    });
  }
});

describe("planRestore", () => {
  it("restores everything when nothing is named", () => {
    const { image, spec, runtime, rw } = planRestore([]);
    assert.deepEqual([image, spec, runtime, rw], [undefined, undefined, undefined, undefined]);
  });

  it("the rw layer brings its base image along", () => {
    const { image, spec, runtime, rw } = planRestore([withRestoreRW(), withRestoreRuntime()]);
    assert.deepEqual([image, spec, runtime, rw], [true, false, true, true]);
  });
});
