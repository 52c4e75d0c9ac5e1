export { type BlobOptions, readBlob, writeBlob } from "./blob.js";
export type { Info, Ingester, IngestManager, Manager, Provider, Range, Status, Store, Writer } from "./store.js";
export { children, gcLabels, type Node, type WalkOptions, walk } from "./walk.js";
