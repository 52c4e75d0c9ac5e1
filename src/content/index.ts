export { type BlobOptions, type ReadBlobOptions, readBlob, writeBlob } from "./blob.js";
export { type FilterOperator, filter } from "./filter.js";
export type { LayoutOptions } from "./layout/layout-directory.js";
export type { LayoutIndex } from "./layout/layout-index.js";
export { LayoutStore } from "./layout/layout-store.js";
export { MemoryStore } from "./memory.js";
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
export { children, gcLabels, type Node, type WalkOptions, walk } from "./walk.js";
