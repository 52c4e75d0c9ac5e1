import type { Surveyed } from "../tree/survey.js";
import type { Unkept } from "./unkept.js";

/** Changes of a root filesystem, found. */
export interface FoundChanges {
  /** What is there now, by path, a directory before what is in it. */
  readonly nodes: ReadonlyMap<string, Surveyed>;
  /** What is there no more. */
  readonly deleted: readonly string[];
  /** What cannot be kept. */
  readonly sockets: readonly string[];
  /** What else cannot be kept. */
  readonly unkept?: readonly Unkept[];
}
