import { Images as ImagesService } from "../api/services/images/v1/images_pb.js";
import type { CallOptions } from "../call-options.js";
import type { NamedTarget } from "../content/archive/image-name.js";
import type { Provider } from "../content/store.js";
import { InvalidArgumentError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import type { Image } from "./image.js";
import type { CopyImagesOptions } from "./image-copy.js";
import type { ExportImagesOptions } from "./image-export.js";
import type { ImportImagesOptions } from "./image-import.js";
import type { ImageOrigin } from "./image-travel.js";
import { once } from "./once.js";
import type { Services } from "./services.js";
import { descriptorInit, labelChanges } from "./wire.js";

// Always before the call: what a call makes is there although loading fails.
const held = once(() => import("./image.js"));
const files = once(() => import("./archive-file.js"));
const exporting = once(() => import("./image-export.js"));
const importing = once(() => import("./image-import.js"));
const copying = once(() => import("./image-copy.js"));

/**
 * What to change about an image; the rest stays.
 *
 * @inline
 */
export interface ImageChanges {
  /** What the name shall point at. */
  readonly target?: Descriptor | undefined;
  /** Labels to set; `null` deletes one. */
  readonly labels?: Readonly<Record<string, string | null>> | undefined;
}

/** The images of one namespace: names that point at content and keep it. */
export class Images {
  readonly #services: Services;

  /** @internal */
  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * Reads one image's record.
   *
   * @throws {NotFoundError} when there is no image of that name
   */
  async get(name: string, call: CallOptions = {}): Promise<Image> {
    const { imageOf } = await held();
    const reply = await this.#services.rpc.unary(ImagesService.method.get, { name }, call);
    return imageOf(this.#services, name, reply.image);
  }

  /**
   * Lists images, all of them or those that match one of the filters.
   *
   * @see https://github.com/containerd/containerd/blob/v2.1.4/pkg/filters/filter.go
   */
  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Image, void, undefined> {
    const reply = await this.#services.rpc.unary(ImagesService.method.list, { filters: [...filters] }, call);
    const { Image } = await held();
    for (const image of reply.images) yield new Image(this.#services, image);
  }

  /**
   * Gives content a name, which keeps it from being collected.
   *
   * @throws {AlreadyExistsError} when there is an image of that name
   */
  async create(
    name: string,
    target: Descriptor,
    options: { readonly labels?: Labels | undefined } & CallOptions = {},
  ): Promise<Image> {
    const { imageOf } = await held();
    const image = { name, target: descriptorInit(target), labels: { ...options.labels } };
    const reply = await this.#services.rpc.unary(ImagesService.method.create, { image }, options);
    return imageOf(this.#services, name, reply.image, target);
  }

  /**
   * Points a name at something else, or changes its labels.
   *
   * @throws {NotFoundError} when there is no image of that name
   * @throws {InvalidArgumentError} when nothing is to be changed
   */
  async update(name: string, changes: ImageChanges, call: CallOptions = {}): Promise<Image> {
    const { imageOf } = await held();
    const { labels, paths } = labelChanges(changes.labels ?? {});
    const { target } = changes;
    if (target !== undefined) paths.push("target");
    if (paths.length === 0)
      throw new InvalidArgumentError(`Cannot update image ${JSON.stringify(name)}: no change is named`);
    // Containerd up to 2.1 dies of a request without a target, even when the mask does not name it.
    const image = { name, labels, target: target === undefined ? {} : descriptorInit(target) };
    const reply = await this.#services.rpc.unary(ImagesService.method.update, { image, updateMask: { paths } }, call);
    return imageOf(this.#services, name, reply.image, target);
  }

  /**
   * Removes a name; its content is collected when nothing else holds it. `sync` waits for that.
   *
   * @throws {NotFoundError} when there is no image of that name
   */
  async delete(name: string, options: { readonly sync?: boolean | undefined } & CallOptions = {}): Promise<void> {
    await this.#services.rpc.unary(ImagesService.method.delete, { name, sync: options.sync ?? false }, options);
  }

  /**
   * Yields images as an OCI archive: a tar with an image layout in it, which `ctr`, `docker load` and `skopeo` read too. Checkpoints
   * go like images, with their base image. The same images give the same bytes. An archive that ends with an error is worthless.
   *
   * @example
   * ```ts
   * for await (const chunk of client.images.export("counter:frozen")) socket.write(chunk);
   * ```
   * @throws {NotFoundError} when an image, or some of its content, is not here; before the first byte
   * @throws {DataLossError} when content is damaged
   */
  async *export(
    refs: string | readonly string[],
    options: ExportImagesOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* (await exporting()).exportImages(this.#services, listOf(refs), options);
  }

  /**
   * Exports images to a file, which appears under its name when it is whole. Only its owner may read it, because a checkpoint
   * holds the memory of a process. What is left beside it by a process that was killed goes with the next export there, or with a sweep.
   *
   * @throws {NotFoundError} when an image, or some of its content, is not here
   * @throws {DataLossError} when content is damaged
   */
  async exportFile(path: string, refs: string | readonly string[], options: ExportImagesOptions = {}): Promise<void> {
    await (await exporting()).exportImagesToFile(this.#services, path, listOf(refs), options);
  }

  /**
   * Imports the images of an OCI archive, or of one of `docker save`, packed with gzip or zstd or not at all: all of them, or
   * nothing. The records are made when everything that is meant is here and verified.
   *
   * @example
   * ```ts
   * const [image] = await client.images.import(createReadStream("counter.tar"));
   * ```
   * @throws {AlreadyExistsError} when a name stands for something else, unless `overwrite` is set
   * @throws {DataLossError} when the archive is damaged, cut off or contradicts itself
   * @throws {NotFoundError} when something that is meant is neither in the archive nor here
   * @throws {InvalidArgumentError} when an image has no name, or the archive holds what no image archive does
   */
  async import(archive: AsyncIterable<Uint8Array>, options: ImportImagesOptions = {}): Promise<readonly Image[]> {
    return (await importing()).importImages(this.#services, archive, options);
  }

  /**
   * Imports the images of an archive in a file.
   *
   * @throws {NotFoundError} when there is no such file; else what `import` throws
   */
  async importFile(path: string, options: ImportImagesOptions = {}): Promise<readonly Image[]> {
    const { readFileChunks } = await files();
    return this.import(readFileChunks(path), options);
  }

  /**
   * Copies images from another daemon, with all they need: all of them, or nothing. What is here already is not moved again, also
   * when an earlier copy was cut off.
   *
   * @example
   * ```ts
   * await there.images.copyFrom(here, "counter:frozen");
   * const copy = await there.restore("counter", "counter:frozen");
   * ```
   * @throws {AlreadyExistsError} when a name stands for something else, unless `overwrite` is set
   * @throws {NotFoundError} when an image, or some of its content, is not there
   * @throws {DataLossError} when content is damaged
   */
  copyFrom(
    client: ImageOrigin,
    refs: string | readonly string[],
    options?: CopyImagesOptions,
  ): Promise<readonly Image[]>;
  /** Copies images from any provider, such as a `LayoutStore`, and gives them names. */
  copyFrom(provider: Provider, images: readonly NamedTarget[], options?: CopyImagesOptions): Promise<readonly Image[]>;
  async copyFrom(
    from: ImageOrigin | Provider,
    what: string | readonly string[] | readonly NamedTarget[],
    options: CopyImagesOptions = {},
  ): Promise<readonly Image[]> {
    const { copyImages, copyTargets } = await copying();
    if ("read" in from) return copyTargets(this.#services, from, what as readonly NamedTarget[], options);
    return copyImages(this.#services, from, listOf(what as string | readonly string[]), options);
  }
}

function listOf(refs: string | readonly string[]): readonly string[] {
  return typeof refs === "string" ? [refs] : refs;
}
