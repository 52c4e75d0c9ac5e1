import { stat } from "node:fs/promises";
import { isAbsolute } from "node:path";
import type { Any } from "@bufbuild/protobuf/wkt";
import { CheckpointOptionsSchema } from "../api/types/runc/options/oci_pb.js";
import type { CallOptions } from "../call-options.js";
import { carriesCriuConfig } from "../checkpoint/convert/own-place.js";
import { type CriuSetting, criuSettingsNeeded } from "../checkpoint/criu-config.js";
import { type Checkpoint, checkpointName } from "../checkpoint/document.js";
import type { RestorePlan } from "../checkpoint/restore-plan.js";
import { readBlob } from "../content/blob.js";
import { exists } from "../content/found.js";
import {
  AlreadyExistsError,
  DataLossError,
  FailedPreconditionError,
  InvalidArgumentError,
  isNotFound,
  NotFoundError,
} from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { layerCompression } from "../oci/media-types.js";
import type { Spec } from "../oci/runtime-spec.js";
import { decodeAny, unpackAny } from "../typeurl.js";
import { criuOptionsOf } from "./criu-options.js";
import { requireThawable } from "./dump-kind.js";
import { requirePlugin } from "./features.js";
import { type RestoreBase, restoreBase } from "./restore-base.js";
import { requireNamespaces } from "./restore-namespaces.js";
import type { Services } from "./services.js";
import { unpackSpec } from "./spec-any.js";
import { visibleBlobs } from "./visible-blobs.js";

const DEFAULT_RUNTIME = "io.containerd.runc.v2";
const DEFAULT_SNAPSHOTTER = "overlayfs";
const UNCOMPRESSED_LABEL = "containerd.io/uncompressed";

/** What a restore will make, once everything that can be known beforehand has been looked at. */
export interface RestoreTarget {
  readonly snapshotter: string;
  /** What the root filesystem is prepared from; `undefined` when the container is to have none. */
  readonly base: RestoreBase | undefined;
  /** The rw layer, and the digest it has unpacked where that is known. */
  readonly rw: { readonly layer: Descriptor; readonly diffId: string | undefined } | undefined;
  readonly runtime: { readonly name: string; readonly options?: Any };
  readonly spec: Spec;
  /** What criu must be told when the task is thawed. */
  readonly criuSettings: readonly CriuSetting[];
}

/** Looks at everything that could make the restore fail, before anything but its lease is made. */
export async function restorePreflight(
  services: Services,
  id: string,
  checkpoint: Checkpoint,
  plan: RestorePlan,
  call: CallOptions,
): Promise<RestoreTarget> {
  const snapshotter = plan.snapshotter ?? checkpoint.snapshotter ?? DEFAULT_SNAPSHOTTER;
  const { name, chainId, parentSnapshot, descriptor } = checkpoint.image;
  const withImage = plan.image ?? (name ?? chainId ?? parentSnapshot ?? descriptor) !== undefined;
  const rw = (plan.rw ?? true) ? checkpoint.rw : undefined;
  if (plan.rw === true && rw === undefined) {
    throw new FailedPreconditionError(
      `Cannot restore the rw layer of ${checkpointName(checkpoint)}: the checkpoint has none`,
    );
  }
  if (rw !== undefined && !withImage) {
    throw new InvalidArgumentError(
      `Cannot restore the rw layer of ${checkpointName(checkpoint)} without its base image`,
    );
  }
  const [rwLabels = {}] = await Promise.all([
    requireWhole(services, checkpoint, rw, call),
    requireWhole(services, checkpoint, checkpoint.task, call),
    refuseTaken(services, id, snapshotter, withImage, call),
    requirePlugin(services, "io.containerd.snapshotter.v1", snapshotter, withImage, call),
  ]);
  await requireThawable(services, checkpoint.task, checkpointName(checkpoint), call);
  const [base, runtime, spec, criuSettings] = await Promise.all([
    withImage ? restoreBase(services, checkpoint, snapshotter, call) : undefined,
    runtimeOf(services, checkpoint, plan, call),
    specOf(services, checkpoint, plan, call),
    settingsOf(services, checkpoint, call),
  ]);
  requireNamespaces(checkpoint, spec, plan);
  if (criuSettings.length > 0 && plan.criuConfig === undefined && !carriesCriuConfig(spec)) {
    throw new FailedPreconditionError(
      `Cannot restore ${checkpointName(checkpoint)}: containerd would silently lose its ${criuSettings.map(({ what }) => what).join(", ")}`,
      {
        hint: `Use withRestoreCriuConfig() with a directory the daemon's host shares, or with a file there that says: ${criuSettings.map(({ line }) => line).join(", ")}.`,
      },
    );
  }
  return { snapshotter, base, rw: rw && { layer: rw, diffId: diffIdOf(rw, rwLabels) }, runtime, spec, criuSettings };
}

/** The daemon that packed a layer wrote down what it had packed. */
function diffIdOf({ digest, mediaType }: Descriptor, labels: Labels): string | undefined {
  return layerCompression(mediaType) === "none" ? digest : labels[UNCOMPRESSED_LABEL];
}

/**
 * @throws {InvalidArgumentError} when criu's configuration cannot be where it is said to be
 * @throws {FailedPreconditionError} when it would have to be written on another machine
 */
export async function requireCriuConfig(services: Services, { criuConfig }: RestorePlan): Promise<void> {
  if (criuConfig === undefined) return;
  const path = "path" in criuConfig ? criuConfig.path : criuConfig.directory;
  if (!isAbsolute(path)) {
    throw new InvalidArgumentError(`Cannot use criu configuration ${JSON.stringify(path)}: the path must be absolute`);
  }
  if ("path" in criuConfig) return;
  if (!services.local) {
    throw new FailedPreconditionError(
      `Cannot write a criu configuration in ${path}: the daemon is not known to run on this machine`,
      { hint: "Name a file that is there already: withRestoreCriuConfig({ path })." },
    );
  }
  const directory = await stat(path).catch((cause: unknown) => {
    throw new InvalidArgumentError(`Cannot write a criu configuration in ${path}`, { cause });
  });
  if (!directory.isDirectory())
    throw new InvalidArgumentError(`Cannot write a criu configuration: ${path} is not a directory`);
}

async function refuseTaken(
  services: Services,
  id: string,
  snapshotter: string,
  snapshot: boolean,
  call: CallOptions,
): Promise<void> {
  const [container, key] = await Promise.all([
    exists(services.containers.get(id, call)),
    snapshot ? exists(services.snapshots(snapshotter).stat(id, call)) : false,
  ]);
  if (!container && !key) return;
  const what = container ? "a container of that id exists" : `snapshotter ${snapshotter} has a snapshot of that name`;
  throw new AlreadyExistsError(`Cannot restore as ${JSON.stringify(id)}: ${what}`, {
    namespace: services.namespace,
    hint: "Delete it first, or restore under another id.",
  });
}

/** A dump that is cut short makes criu loop without end: its size is looked at first. Resolves to the labels of the blob. */
async function requireWhole(
  services: Services,
  checkpoint: Checkpoint,
  part: Descriptor | undefined,
  call: CallOptions,
): Promise<Labels | undefined> {
  if (part === undefined) return undefined;
  try {
    const { size, labels } = await services.content.info(part.digest, call);
    if (size === part.size) return labels;
    throw new DataLossError(
      `Cannot restore ${checkpointName(checkpoint)}: ${part.digest} has ${size} bytes, expected ${part.size}`,
    );
  } catch (reason) {
    if (!isNotFound(reason)) throw reason;
    throw new NotFoundError(
      `Cannot restore ${checkpointName(checkpoint)}: its part ${part.digest} is not in the store`,
      {
        namespace: services.namespace,
        cause: reason,
      },
    );
  }
}

async function runtimeOf(
  services: Services,
  { runtime }: Checkpoint,
  plan: RestorePlan,
  call: CallOptions,
): Promise<RestoreTarget["runtime"]> {
  if (plan.runtime === false || runtime.name === undefined) return { name: DEFAULT_RUNTIME };
  if (runtime.options === undefined) return { name: runtime.name };
  return { name: runtime.name, options: decodeAny(await readBlob(services.content, runtime.options, call)) };
}

async function specOf(services: Services, checkpoint: Checkpoint, plan: RestorePlan, call: CallOptions): Promise<Spec> {
  if (plan.spec === false) return { ociVersion: "1.0.2" };
  if (checkpoint.spec === undefined) {
    throw new FailedPreconditionError(`Cannot restore ${checkpointName(checkpoint)}: it holds no runtime spec`, {
      hint: "Only checkpoints of a task hold one. Name other parts than withRestoreSpec() and build a spec with withRestoreSpecEdit().",
    });
  }
  return unpackSpec(decodeAny(await readBlob(services.content, checkpoint.spec, call)));
}

async function settingsOf(
  services: Services,
  checkpoint: Checkpoint,
  call: CallOptions,
): Promise<readonly CriuSetting[]> {
  if (checkpoint.task === undefined) return [];
  const any = checkpoint.criuOptions && decodeAny(await readBlob(services.content, checkpoint.criuOptions, call));
  const message = any && unpackAny(any, CheckpointOptionsSchema);
  return criuSettingsNeeded(visibleBlobs(services), checkpoint.task, message && criuOptionsOf(message), call);
}
