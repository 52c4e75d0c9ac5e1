import type { Descriptor, Labels } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";

/** Who made a checkpoint. */
export type CheckpointEngine = "podman" | "cri-o" | "containerd" | "docker" | "unknown";

/** What a checkpoint says about the image its container was made from: every reference there is. */
export interface CheckpointImage {
  /** The image's name then; it may name something else by now. */
  readonly name?: string;
  /** The name as somebody asked for it, before it was made a whole one. */
  readonly requestedName?: string;
  /** The digest of what that name stood for. */
  readonly digest?: Digest;
  /** The digest of its config, which Podman, CRI-O and Docker call its id. */
  readonly configDigest?: Digest;
  /** The chain id of the snapshot under the writable layer. */
  readonly chainId?: Digest;
  /**
   * The committed snapshot under the writable layer, where it has none of an image's names, such as one with other owners or one
   * that somebody made; empty where there is nothing under it. It is restored where its snapshotter has that snapshot.
   */
  readonly parentSnapshot?: string;
  /** The image itself, when it is part of the checkpoint. */
  readonly descriptor?: Descriptor;
}

/** What a checkpoint says about the runtime of its container. */
export interface CheckpointRuntime {
  /** Its name, such as `io.containerd.runc.v2` or `crun`. */
  readonly name?: string;
  /** What it says of its own version, which may be several lines. */
  readonly version?: string;
  /** Its options, when it had any. */
  readonly options?: Descriptor;
}

/** Where a checkpoint comes from, as far as it says. */
export interface CheckpointOrigin {
  /** Who made it. */
  readonly engine: CheckpointEngine;
  /** The engine's version. */
  readonly engineVersion?: string;
  /** criu's version, such as `4.2.1`. */
  readonly criuVersion?: string;
  /** The version of the process that watched the container. */
  readonly conmonVersion?: string;
  /** The kernel's version. */
  readonly kernelVersion?: string;
  /** The CPU as criu or the engine names it, such as `x86_64` or `amd64`. */
  readonly architecture?: string;
  /** The distribution, with its version where that is known. */
  readonly distribution?: string;
  /** `v1` or `v2`. */
  readonly cgroupVersion?: string;
}

/** What is known of a checkpoint, whatever form it has. */
export interface CheckpointDescription {
  /** Where it comes from. */
  readonly origin: CheckpointOrigin;
  /** The container it was made of, when it says so. */
  readonly containerId?: string;
  /** What people call that container. */
  readonly containerName?: string;
  /** When that container was created, when it says so. */
  readonly containerCreatedAt?: Date;
  /** When the container was captured, when it says so. */
  readonly createdAt?: Date;
  /** The base image. */
  readonly image: CheckpointImage;
  /** The runtime it ran with. */
  readonly runtime: CheckpointRuntime;
  /** All annotations of the index or of the image that carries it. */
  readonly annotations: Labels;
}
