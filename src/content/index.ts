export {
  type ArchiveProgress,
  type ExportArchiveOptions,
  exportArchive,
} from "./archive/export.js";
export { type ArchiveImage, type ImageNaming, nameImages } from "./archive/image-name.js";
export { type ImportArchiveOptions, importArchive } from "./archive/import.js";
export type { Selection } from "./archive/selection.js";
export { type BlobOptions, type ReadBlobOptions, readBlob, writeBlob } from "./blob.js";
export { type CopyOptions, type CopyResult, copy } from "./copy.js";
export type { CopyProgress } from "./copy-progress.js";
export { children } from "./documents.js";
export { type FilterOperator, filter } from "./filter.js";
export { type CheckImageOptions, checkImage, type PlatformCheck } from "./image-check.js";
export {
  type ImageManifest,
  type ImageOptions,
  readImageConfig,
  readManifest,
  readRootFS,
} from "./image-manifest.js";
export { imagePlatforms } from "./image-platforms.js";
export { imageSize } from "./image-size.js";
export {
  type ImageSnapshot,
  type ImageUsage,
  type ImageUsageOptions,
  imageUsage,
  type SnapshotReader,
} from "./image-usage.js";
export type { LayoutOptions } from "./layout/layout-directory.js";
export type { LayoutIndex } from "./layout/layout-index.js";
export { LayoutStore } from "./layout/layout-store.js";
export { MemoryStore } from "./memory.js";
export type { PlatformChoice } from "./platform-choice.js";
export type {
  CommitOptions,
  Info,
  Ingester,
  IngestManager,
  Manager,
  Provider,
  PutOptions,
  Range,
  Status,
  Store,
  Writer,
  WriterOptions,
} from "./store.js";
export { gcLabels, type Node, type WalkOptions, walk } from "./walk.js";
