import type { Spec } from "../../oci/runtime-spec.js";
import type { CheckpointDescription } from "../description.js";
import type { Checkpoint } from "../document.js";

/** A checkpoint that a container has under a name. */
export interface NamedCheckpoint extends CheckpointDescription {
  /** Its name. */
  readonly name: string;
  /** When the container was captured; of a directory that does not say, when its files were written. */
  readonly createdAt: Date;
  /** Bytes of its parts or files; the base image is not among them. */
  readonly bytes: number;
  /** When it may be removed by itself. */
  readonly expiresAt?: Date;
  /** What it consists of, when it is registered as an image; `ref` is the image's name. */
  readonly checkpoint?: Checkpoint;
  /** The directory it lies in, when it is one. */
  readonly path?: string;
  /** The runtime spec of the container, when it lies in a directory that says. */
  readonly spec?: Spec;
}
