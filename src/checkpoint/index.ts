/**
 * Checkpoints as documents: what one will contain, what one contains, read from any provider. No daemon is needed.
 *
 * @packageDocumentation
 */

export { CheckpointAnnotation } from "./annotations.js";
export { type CheckpointPartsOptions, readCheckpointParts } from "./archive/checkpoint-parts.js";
export type { ArchiveLimits } from "./archive/limits.js";
export type {
  ArchiveEntry,
  ArchivePart,
  ArchivePartBase,
  BindMount,
  BindMountsPart,
  ConfigPart,
  CriuPart,
  DeletedFilesPart,
  DirectoryPart,
  ImagePart,
  LogPart,
  NetworkPart,
  OtherPart,
  ParentPart,
  PodPart,
  RootfsDiffPart,
  ShmPart,
  SpecPart,
  StatsPart,
  StatusPart,
  VolumePart,
} from "./archive/part.js";
export { type ArchiveSource, type ReadArchiveOptions, readArchive, readArchiveEntries } from "./archive/read.js";
export { type ArchiveEngine, type ExportArchiveOptions, exportArchive } from "./convert/export-archive.js";
export {
  type ImportArchiveOptions,
  type ImportedCheckpoint,
  importArchive,
} from "./convert/import-archive.js";
export type { ForeignSpecPolicy, ImportNote } from "./convert/policy.js";
export type { DumpedFile, DumpedProcess } from "./criu/process-tree.js";
export type { DumpedMount, DumpStatistics } from "./criu/records.js";
export type { DumpedSocket, SocketAddress } from "./criu/socket-record.js";
export { CRIU_CONFIG_ANNOTATION, type CriuSetting, criuConfigText, criuSettingsNeeded } from "./criu-config.js";
export type {
  CheckpointDescription,
  CheckpointEngine,
  CheckpointImage,
  CheckpointOrigin,
  CheckpointRuntime,
} from "./description.js";
export {
  type Checkpoint,
  type CheckpointParts,
  checkpointIndex,
  parseCheckpoint,
  readCheckpoint,
} from "./document.js";
export {
  type InspectArchiveOptions,
  type InspectCheckpointOptions,
  type InspectOptions,
  inspectArchive,
  inspectCheckpoint,
  inspectParts,
} from "./inspect/inspect.js";
export type {
  CheckpointInspection,
  CheckpointInterface,
  CheckpointMount,
  CheckpointNetwork,
  CheckpointPod,
  CheckpointSizes,
} from "./inspect/inspection.js";
export { CheckpointMediaType } from "./media-types.js";
export type { NamedCheckpoint } from "./named/named-checkpoint.js";
export type { CheckpointRetention, PrunedCheckpoint, RetentionPlan } from "./named/retention.js";
export {
  type CheckpointOption,
  type CheckpointPart,
  type CheckpointPartContext,
  type CheckpointPlan,
  type CheckpointWay,
  type CriuOptions,
  planCheckpoint,
  type RWCompression,
  withCheckpointAnnotations,
  withCheckpointImage,
  withCheckpointLabels,
  withCheckpointPart,
  withCheckpointRuntime,
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
  withCheckpointWay,
} from "./plan.js";
export {
  type CriuConfig,
  type CriuConfigDirectory,
  type CriuConfigFile,
  planRestore,
  type RestoreOption,
  type RestorePlan,
  type SpecEdit,
  withRestoreCriuConfig,
  withRestoreImage,
  withRestoreLabels,
  withRestoreRuntime,
  withRestoreRW,
  withRestoreSnapshotter,
  withRestoreSpec,
  withRestoreSpecEdit,
} from "./restore-plan.js";
export { listTarMembers, type TarMember } from "./tar-members.js";
