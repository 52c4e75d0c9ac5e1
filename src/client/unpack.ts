import type { CallOptions } from "../call-options.js";
import { withDeadline } from "../content/deadline.js";
import { orUndefined } from "../content/found.js";
import { readImageConfig, readManifest } from "../content/image-manifest.js";
import { DataLossError, isAlreadyExists, isNotFound, NotFoundError } from "../errors.js";
import { chainId, chainIds } from "../oci/chain-id.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import { formatPlatform, type Platform } from "../oci/platform.js";
import { platformMatcher } from "../oci/platform-match.js";
import type { PlatformImage } from "./base-image.js";
import { daemonPlatform } from "./features.js";
import type { Services } from "./services.js";
import { type LeasedWork, underLease } from "./under-lease.js";

/**
 * How far an unpacking is. Each layer is told of twice: when it begins, and when it is there.
 *
 * @inline
 */
export interface UnpackProgress {
  /** Always `unpack`. */
  readonly phase: "unpack";
  /** Which layer, the lowest being 1. */
  readonly layer: number;
  /** How many layers there are. */
  readonly of: number;
  /** The layer's digest. */
  readonly digest: Digest;
  /** Bytes of the layer, as it is stored, that are unpacked by now: none, then all. */
  readonly bytes: number;
}

/** How an image is unpacked. */
export interface UnpackOptions {
  /** The snapshotter that gets the layers, such as `overlayfs`. */
  readonly snapshotter: string;
  /** The platform to take from an index; what the daemon says it runs when absent. */
  readonly platform?: Platform | undefined;
  /** Told about each layer that was not there yet. */
  readonly onProgress?: ((progress: UnpackProgress) => void) | undefined;
}

/** One platform's image, whose layers are committed snapshots. */
export interface UnpackedImage extends PlatformImage {
  /** The config's descriptor. */
  readonly configDescriptor: Descriptor;
  /** The packed layers, lowest first. */
  readonly layers: readonly Descriptor[];
}

/**
 * Makes every layer of an image a committed snapshot, where that is not so already. A label on the image's config
 * keeps them as long as the image is there.
 *
 * @param target an image's manifest, or an index to choose from.
 * @throws {NotFoundError} when the image has nothing for the platform, or a layer is not in the store
 * @throws {DataLossError} when a layer does not unpack to what the image's config says
 */
export async function unpackImage(
  services: Services,
  target: Descriptor,
  options: UnpackOptions,
  call: CallOptions = {},
): Promise<UnpackedImage> {
  return withDeadline(`Unpacking image ${target.digest}`, call, async (bounded) => {
    const image = await findPlatformImage(services, target, options.platform, bounded);
    await underLease(services, "unpack", bounded, (leased) => unpackLayers(services, image, options, leased));
    return image;
  });
}

/**
 * The image for one platform, by its documents only: nothing is unpacked.
 *
 * @throws {NotFoundError} when there is none for it
 */
export async function findPlatformImage(
  services: Services,
  target: Descriptor,
  platform: Platform | undefined,
  call: CallOptions,
): Promise<UnpackedImage> {
  const wanted = platform ?? (await daemonPlatform(services, call));
  const { descriptor, manifest } = await readManifest(services.content, target, { ...call, platform: wanted });
  const config = await readImageConfig(services.content, manifest.config, call);
  if (!platformMatcher(wanted).matches(config)) {
    throw new NotFoundError(
      `Cannot find an image for ${formatPlatform(wanted)} in ${target.digest}: it is for ${formatPlatform(config)}`,
      { namespace: services.namespace },
    );
  }
  const diffIds = config.rootfs.diff_ids;
  if (manifest.layers.length !== diffIds.length) {
    throw new DataLossError(
      `Cannot unpack image ${target.digest}: it has ${manifest.layers.length} layers, but ${diffIds.length} diff ids`,
    );
  }
  return {
    manifest: descriptor,
    config,
    configDescriptor: manifest.config,
    layers: manifest.layers,
    chainId: chainId(diffIds),
  };
}

async function unpackLayers(
  services: Services,
  image: UnpackedImage,
  options: UnpackOptions,
  leased: LeasedWork,
): Promise<void> {
  const { snapshotter } = options;
  const { layers, config } = image;
  const chain = chainIds(config.rootfs.diff_ids);
  const done = await countCommitted(services, snapshotter, chain, leased);
  await requireLayers(services, layers.slice(done), leased.call);
  for (let at = done; at < layers.length; at++) {
    const [layer, diffId, chainId] = [layers[at], config.rootfs.diff_ids[at], chain[at]];
    if (layer === undefined || diffId === undefined || chainId === undefined) continue;
    const tell = (bytes: number): void =>
      options.onProgress?.({ phase: "unpack", layer: at + 1, of: layers.length, digest: layer.digest, bytes });
    tell(0);
    await unpackLayer(services, snapshotter, { layer, diffId, chainId, parent: chain[at - 1] ?? "" }, leased);
    tell(layer.size);
  }
  await services.content.update(
    image.configDescriptor.digest,
    { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: image.chainId },
    leased.call,
  );
}

/** How many layers are there already. A snapshot's parents are there when it is, so the search is from the top. */
async function countCommitted(
  services: Services,
  snapshotter: string,
  chain: readonly Digest[],
  { call }: LeasedWork,
): Promise<number> {
  for (let count = chain.length; count > 0; count--) {
    const name = chain[count - 1] as Digest;
    if (!(await isCommitted(services, snapshotter, name, call))) continue;
    // Until our label is set nothing of ours would hold it.
    await services.leases.addResource(call.lease, { type: `snapshots/${snapshotter}`, id: name }, call);
    return count;
  }
  return 0;
}

/** Whether a snapshotter holds a layer, unpacked, that others can stand on. */
export async function isCommitted(
  services: Services,
  snapshotter: string,
  name: string,
  call: CallOptions,
): Promise<boolean> {
  const snapshot = await orUndefined(services.snapshots(snapshotter).stat(name, call));
  return snapshot?.kind === "committed";
}

/** The daemon would find out only halfway, and name neither the layer nor its size. */
async function requireLayers(services: Services, layers: readonly Descriptor[], call: CallOptions): Promise<void> {
  for (const { digest, size } of layers) {
    try {
      const info = await services.content.info(digest, call);
      if (info.size === size) continue;
      throw new DataLossError(`Cannot unpack layer ${digest}: it has ${info.size} bytes, expected ${size}`);
    } catch (reason) {
      if (!isNotFound(reason)) throw reason;
      throw new NotFoundError(`Cannot unpack layer ${digest}: it is not in the content store`, {
        cause: reason,
        namespace: services.namespace,
        hint: "Pull or import the image again.",
      });
    }
  }
}

interface Step {
  readonly layer: Descriptor;
  readonly diffId: Digest;
  readonly chainId: Digest;
  readonly parent: string;
}

async function unpackLayer(services: Services, snapshotter: string, step: Step, leased: LeasedWork): Promise<void> {
  const { layer, diffId, chainId, parent } = step;
  const { call } = leased;
  const snapshots = services.snapshots(snapshotter);
  // The key of this attempt alone: another client may be unpacking the same layer.
  const key = `${leased.id} ${chainId}`;
  leased.onFailure(`snapshot ${key}`, (undo) => snapshots.remove(key, undo));
  const mounts = await snapshots.prepare(key, parent, call);
  const applied = await services.diffs.apply(layer, mounts, call);
  if (applied.digest !== diffId) {
    throw new DataLossError(`Cannot unpack layer ${layer.digest}: it unpacks to ${applied.digest}, expected ${diffId}`);
  }
  try {
    await snapshots.commit(chainId, key, call);
  } catch (reason) {
    if (!isAlreadyExists(reason)) throw reason;
    // Somebody else was faster: theirs is as good as ours.
    await snapshots.stat(chainId, call);
    await services.leases.addResource(call.lease, { type: `snapshots/${snapshotter}`, id: chainId }, call);
    await snapshots.remove(key, call);
  }
}
