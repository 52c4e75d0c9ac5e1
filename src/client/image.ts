import type { Image as ImageMessage } from "../api/services/images/v1/images_pb.js";
import type { CallOptions } from "../call-options.js";
import { withDeadline } from "../content/deadline.js";
import type { PlatformCheck } from "../content/image-check.js";
import {
  type ImageOptions,
  type ImageRootFS,
  readImageConfig,
  readManifest,
  readRootFS,
} from "../content/image-manifest.js";
import { imagePlatforms } from "../content/image-platforms.js";
import { imageSize } from "../content/image-size.js";
import type { ImageUsage } from "../content/image-usage.js";
import type { PlatformChoice } from "../content/platform-choice.js";
import { type Node, type WalkOptions, walk } from "../content/walk.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { ImageConfig } from "../oci/image-config.js";
import type { Manifest } from "../oci/manifest.js";
import type { Platform } from "../oci/platform.js";
import { daemonPlatform, loadedSnapshotters } from "./features.js";
import type { ImageChanges } from "./images.js";
import { once } from "./once.js";
import type { Services } from "./services.js";
import { descriptorOf, mapOf, present, recordedAt, requireSame } from "./wire.js";

const checking = once(() => import("../content/image-check.js"));
const measuring = once(() => import("../content/image-usage.js"));
const unpacking = once(() => import("./unpack.js"));

/** An image's record as it was read: plain facts, and ways to go on from there. */
export class Image {
  /** The image's name. */
  readonly name: string;
  /** What the name points at: an index or a manifest. */
  readonly target: Descriptor;
  /** The image's labels. */
  readonly labels: Labels;
  /** When the record was made. */
  readonly createdAt: Date;
  /** When it last changed. */
  readonly updatedAt: Date;
  readonly #services: Services;

  /** @internal */
  constructor(services: Services, message: ImageMessage) {
    this.#services = services;
    this.name = message.name;
    this.target = descriptorOf(message.target, `the target of image ${JSON.stringify(message.name)}`);
    this.labels = mapOf(message.labels);
    this.createdAt = recordedAt(message.createdAt);
    this.updatedAt = recordedAt(message.updatedAt);
  }

  /**
   * Reads the manifest for one platform: the daemon's when none is named.
   *
   * @throws {NotFoundError} when the image has none for that platform, or it is not in the store
   */
  async manifest(options: ImageOptions = {}): Promise<Manifest> {
    return withDeadline(`Reading the manifest of image ${this.name}`, options, async (call) => {
      const wanted = await this.#onPlatform({ ...options, ...call });
      return (await readManifest(this.#services.content, this.target, wanted)).manifest;
    });
  }

  /**
   * Reads the config for one platform: the daemon's when none is named.
   *
   * @throws {NotFoundError} when the image has none for that platform, or it is not in the store
   * @throws {FailedPreconditionError} when it is no image, such as an artifact or a checkpoint
   */
  async config(options: ImageOptions = {}): Promise<ImageConfig> {
    return withDeadline(`Reading the config of image ${this.name}`, options, async (call) =>
      readImageConfig(this.#services.content, this.target, await this.#onPlatform({ ...options, ...call })),
    );
  }

  /**
   * Reads what the filesystem for one platform is made of: the daemon's when none is named.
   *
   * @throws {NotFoundError} when the image has nothing for that platform, or it is not in the store
   * @throws {FailedPreconditionError} when it is no image, such as an artifact or a checkpoint
   */
  async rootFS(options: ImageOptions = {}): Promise<ImageRootFS> {
    return readRootFS(this.#services.content, this.target, await this.#onPlatform(options));
  }

  /**
   * Adds up the packed bytes of the image for one platform, the daemon's when none is named; of a checkpoint all parts.
   *
   * @throws {NotFoundError} when the image has nothing for that platform, or a document is not in the store
   */
  async size(options: ImageOptions = {}): Promise<number> {
    return imageSize(this.#services.content, this.target, await this.#onPlatform(options));
  }

  /**
   * Lists what platforms the image is for.
   *
   * @throws {NotFoundError} when the target is not in the store
   */
  platforms(call: CallOptions = {}): Promise<readonly Platform[]> {
    return imagePlatforms(this.#services.content, this.target, call);
  }

  /**
   * Yields everything the image refers to, parents before children; all platforms when none is named.
   *
   * @throws {NotFoundError} when a document on the way is not in the store
   */
  walk(options: WalkOptions = {}): AsyncGenerator<Node, void, undefined> {
    return walk(this.#services.content, this.target, options);
  }

  /**
   * Measures the space the image takes, all platforms together when none is named; with `snapshots` also that of its unpacked layers.
   * A `manifestLimit` above 0 is for the daemon's platform when none is named.
   *
   * @throws {NotFoundError} when `manifestLimit` is given and a document is not there
   */
  async usage(
    options: { readonly snapshots?: boolean | undefined } & PlatformChoice & CallOptions = {},
  ): Promise<ImageUsage> {
    const { snapshots = false, ...choice } = options;
    const ofDaemon = (choice.manifestLimit ?? 0) > 0;
    const { imageUsage } = await measuring();
    return imageUsage(this.#services.content, this.target, {
      ...(ofDaemon ? await this.#onPlatform(choice) : choice),
      ...(snapshots ? { snapshots: (snapshotter) => this.#services.snapshots(snapshotter) } : {}),
    });
  }

  /**
   * Looks for everything the image needs, platform by platform, and into which snapshotters it is unpacked: of those named, or of all
   * the daemon has. Only presence and size are looked at.
   *
   * @throws {DataLossError} when something is there that is not what its descriptor says
   */
  async check(
    options: { readonly snapshotters?: readonly string[] | undefined } & ImageOptions = {},
  ): Promise<readonly PlatformCheck[]> {
    const { snapshotters, ...choice } = options;
    const { platform: _, ...call } = choice;
    const asked = snapshotters ?? (await loadedSnapshotters(this.#services, call));
    const [{ checkImage }, { isCommitted }] = await Promise.all([checking(), unpacking()]);
    const unpackedInto = async (chainId: Digest): Promise<readonly string[]> => {
      const committed = await Promise.all(asked.map((name) => isCommitted(this.#services, name, chainId, call)));
      return asked.filter((_name, at) => committed[at]);
    };
    return checkImage(this.#services.content, this.target, { ...choice, unpackedInto });
  }

  /**
   * Points the name at something else, or changes labels, and returns the new record; this object stays as it is.
   *
   * @throws {NotFoundError} when the image is gone
   */
  update(changes: ImageChanges, call: CallOptions = {}): Promise<Image> {
    return this.#services.images.update(this.name, changes, call);
  }

  /**
   * Removes the name; its content is collected when nothing else holds it. `sync` waits for that.
   *
   * @throws {NotFoundError} when the image is gone
   */
  delete(options: { readonly sync?: boolean | undefined } & CallOptions = {}): Promise<void> {
    return this.#services.images.delete(this.name, options);
  }

  async #onPlatform<O extends ImageOptions>(options: O): Promise<O> {
    return options.platform === undefined
      ? { ...options, platform: await daemonPlatform(this.#services, options) }
      : options;
  }
}

/** The image of a reply, when that is about what was asked. */
export function imageOf(
  services: Services,
  name: string,
  message: ImageMessage | undefined,
  target?: Descriptor,
): Image {
  const image = new Image(services, present(message, "an image"));
  requireSame(image.name, name, "image");
  if (target !== undefined) requireSame(image.target.digest, target.digest, `the target of image ${name}:`);
  return image;
}
