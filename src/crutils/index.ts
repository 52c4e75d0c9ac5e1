/**
 * The nine functions of crutils, with which engines fill and empty checkpoint archives, on directories. No daemon is needed.
 *
 * @packageDocumentation
 */

export { type AppliedRootfsDiff, type ApplyRootfsDiffOptions, applyRootfsDiff } from "./apply-rootfs-diff.js";
export { readRuntimeFromArchive } from "./archive-runtime.js";
export { type CreatedRootfsDiff, createRootfsDiff } from "./create-rootfs-diff.js";
export {
  type CheckpointArchive,
  importCheckpointConfigOnly,
  importCheckpointWithoutConfig,
} from "./import-checkpoint.js";
export { createFileWithLabel, type LabelledFile } from "./labelled-file.js";
export { removeDeletedFiles } from "./remove-deleted-files.js";
export type { ListedChanges, OverlayChanges, RootfsChange, RootfsDiffSource, TwoTrees } from "./rootfs-change.js";
export {
  type RuntimeSupport,
  type RuntimeSupportOptions,
  runtimeSupportsCheckpointRestore,
  runtimeSupportsPodCheckpointRestore,
} from "./runtime-support.js";
export type { Unkept } from "./unkept.js";
