import type { CallOptions } from "../call-options.js";
import { type Checkpoint, checkpointName } from "../checkpoint/document.js";
import { orUndefined } from "../content/found.js";
import { FailedPreconditionError, NotFoundError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { normalizePlatform, type Platform } from "../oci/platform.js";
import { imageOfConfig, imageOnChain, platformImages } from "./base-image.js";
import { daemonPlatform } from "./features.js";
import type { Services } from "./services.js";
import { isCommitted } from "./unpack.js";
import { visibleBlobs } from "./visible-blobs.js";

/** What a restored root filesystem is prepared from. */
export interface RestoreBase {
  /** The snapshot to stand on; empty for none. */
  readonly parent: string;
  /** Unpacked first, for its platform; `undefined` when the snapshot is there already. */
  readonly unpack?: { readonly manifest: Descriptor; readonly platform: Platform };
}

/**
 * Finds the base image by what it is, not by what its name stands for today: by the chain id of its layers, then by
 * its digest, and by its name only where the checkpoint says nothing else.
 */
export async function restoreBase(
  services: Services,
  checkpoint: Checkpoint,
  snapshotter: string,
  call: CallOptions,
): Promise<RestoreBase> {
  const { chainId, parentSnapshot } = checkpoint.image;
  if (parentSnapshot !== undefined) return restoreParent(services, checkpoint, snapshotter, parentSnapshot, call);
  if (chainId !== undefined && (await isCommitted(services, snapshotter, chainId, call))) return { parent: chainId };
  const target = await baseTarget(services, checkpoint, call);
  const image =
    chainId === undefined
      ? await imageForDaemon(services, target, call)
      : await imageOnChain(visibleBlobs(services), target, chainId, call);
  if (image === undefined) {
    throw new FailedPreconditionError(
      chainId === undefined
        ? `Cannot restore ${checkpointName(checkpoint)}: base image ${target.digest} has nothing for the daemon's platform`
        : `Cannot restore ${checkpointName(checkpoint)}: base image ${target.digest} does not have the layers it was made on (${chainId})`,
    );
  }
  const { chainId: parent, manifest, config } = image;
  if (await isCommitted(services, snapshotter, parent, call)) return { parent };
  return { parent, unpack: { manifest, platform: config } };
}

/** What no image can be unpacked to must be there. */
async function restoreParent(
  services: Services,
  checkpoint: Checkpoint,
  snapshotter: string,
  parent: string,
  call: CallOptions,
): Promise<RestoreBase> {
  if (parent === "" || (await isCommitted(services, snapshotter, parent, call))) return { parent };
  throw new FailedPreconditionError(
    `Cannot restore ${checkpointName(checkpoint)}: it was made on snapshot ${JSON.stringify(parent)}, which snapshotter ${snapshotter} does not have`,
    { namespace: services.namespace, hint: "Make that snapshot there first: no image can be unpacked to it." },
  );
}

async function baseTarget(services: Services, checkpoint: Checkpoint, call: CallOptions): Promise<Descriptor> {
  const { name, digest, descriptor, configDigest } = checkpoint.image;
  if (descriptor !== undefined) return descriptor;
  if (digest === undefined && configDigest !== undefined) {
    const target = (await imageOfConfig(services, configDigest, name, call))?.target;
    if (target !== undefined) return target;
    throw new NotFoundError(
      `Cannot restore ${checkpointName(checkpoint)}: its base image ${JSON.stringify(name ?? "")} with config ${configDigest} is not here`,
      { namespace: services.namespace, hint: "Import or pull that image first, under any name." },
    );
  }
  const named = name === undefined ? undefined : await targetOf(services, name, call);
  if (named !== undefined && (digest === undefined || named.digest === digest)) return named;
  if (digest !== undefined) {
    for await (const image of services.images.list([`target.digest==${digest}`], call)) {
      if (image.target.digest === digest) return image.target;
    }
  }
  if (named === undefined) {
    throw new NotFoundError(
      `Cannot restore ${checkpointName(checkpoint)}: its base image ${JSON.stringify(name ?? "")}${digest === undefined ? "" : ` (${digest})`} is not here`,
      {
        namespace: services.namespace,
        hint: "Import or pull the base image first, or checkpoint with withCheckpointImage().",
      },
    );
  }
  throw new FailedPreconditionError(
    `Cannot restore ${checkpointName(checkpoint)}: it was made on ${digest}, but ${JSON.stringify(name)} is ${named.digest} now`,
    { namespace: services.namespace, hint: "Bring the image of that digest back, under any name." },
  );
}

async function targetOf(services: Services, name: string, call: CallOptions): Promise<Descriptor | undefined> {
  return (await orUndefined(services.images.get(name, call)))?.target;
}

async function imageForDaemon(services: Services, target: Descriptor, call: CallOptions) {
  const wanted = normalizePlatform(await daemonPlatform(services, call));
  for await (const image of platformImages(visibleBlobs(services), target, call)) {
    const { os, architecture } = normalizePlatform(image.config);
    if (os === wanted.os && architecture === wanted.architecture) return image;
  }
  return undefined;
}
