import type { Spec } from "../oci/runtime-spec.js";

/** Edits the runtime spec of a container before it is made. */
export type SpecEdit = (spec: Spec) => void;

/** Where criu finds the settings that containerd has no way to pass on at restore. */
export type CriuConfig = CriuConfigDirectory | CriuConfigFile;

/** A directory for the settings. */
export interface CriuConfigDirectory {
  /** Its absolute path on this machine, which must be the daemon's. A file is written there, mode 0600, and removed with the container; not over one of somebody else's. */
  readonly directory: string;
}

/** Settings that stand somewhere already. */
export interface CriuConfigFile {
  /** The absolute path of a file on the daemon's host. */
  readonly path: string;
}

/** What a restore will bring back. */
export interface RestorePlan {
  /** Prepare the root filesystem from the base image. `undefined`: nothing was said about it. */
  image: boolean | undefined;
  /** Take the runtime spec from the checkpoint. */
  spec: boolean | undefined;
  /** Take the runtime and its options from the checkpoint. */
  runtime: boolean | undefined;
  /** Apply the writable layer. */
  rw: boolean | undefined;
  /** The snapshotter to use instead of the recorded one. */
  snapshotter: string | undefined;
  /** criu's settings for what containerd cannot pass on. */
  criuConfig: CriuConfig | undefined;
  /** Labels for the container's record. */
  readonly labels: Record<string, string>;
  /** Changes to the spec, in the order given, after our own. */
  readonly specEdits: SpecEdit[];
}

/** Edits the plan of a restore. It does no I/O, and the order of options does not matter, but for that of spec edits. */
export type RestoreOption = (plan: RestorePlan) => void;

/** Prepares the root filesystem from the base image, found by the digest the checkpoint recorded. */
export function withRestoreImage(): RestoreOption {
  return (plan) => {
    plan.image = true;
  };
}

/** Takes the runtime spec from the checkpoint. */
export function withRestoreSpec(): RestoreOption {
  return (plan) => {
    plan.spec = true;
  };
}

/** Takes the runtime's name and options from the checkpoint. */
export function withRestoreRuntime(): RestoreOption {
  return (plan) => {
    plan.runtime = true;
  };
}

/** Applies the writable layer over the base image; implies {@link withRestoreImage}. */
export function withRestoreRW(): RestoreOption {
  return (plan) => {
    plan.rw = true;
    plan.image = true;
  };
}

/** Uses another snapshotter than the one the checkpoint was made with. */
export function withRestoreSnapshotter(snapshotter: string): RestoreOption {
  return (plan) => {
    plan.snapshotter = snapshotter;
  };
}

/** Labels the restored container. Labels are never taken from a checkpoint. */
export function withRestoreLabels(labels: Readonly<Record<string, string>>): RestoreOption {
  return (plan) => {
    Object.assign(plan.labels, labels);
  };
}

/** Changes the restored runtime spec: another network namespace, another hostname, other bind mounts. */
export function withRestoreSpecEdit(...edits: readonly SpecEdit[]): RestoreOption {
  return (plan) => {
    plan.specEdits.push(...edits);
  };
}

/**
 * Brings back what containerd cannot: established TCP connections, external unix sockets and file locks. runc reads
 * criu's settings from a file that the annotation `org.criu.config` names.
 *
 * @see https://github.com/opencontainers/runc/blob/v1.3.0/docs/checkpoint-restore.md
 */
export function withRestoreCriuConfig(config: CriuConfig): RestoreOption {
  return (plan) => {
    plan.criuConfig = config;
  };
}

/** Where no part is asked for by name, everything the checkpoint has is restored. */
export function planRestore(options: readonly RestoreOption[]): RestorePlan {
  const plan: RestorePlan = {
    image: undefined,
    spec: undefined,
    runtime: undefined,
    rw: undefined,
    snapshotter: undefined,
    criuConfig: undefined,
    labels: {},
    specEdits: [],
  };
  for (const option of options) option(plan);
  if ((plan.image ?? plan.spec ?? plan.runtime ?? plan.rw) !== undefined) {
    plan.image ??= false;
    plan.spec ??= false;
    plan.runtime ??= false;
    plan.rw ??= false;
  }
  return plan;
}
