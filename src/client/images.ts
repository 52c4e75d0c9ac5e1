import { type Image as ImageMessage, Images as ImagesService } from "../api/services/images/v1/images_pb.js";
import type { CallOptions } from "../call-options.js";
import { InvalidArgumentError } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { Image } from "./image.js";
import type { Services } from "./services.js";
import { descriptorInit, labelChanges, present, requireSame } from "./wire.js";

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
    const reply = await this.#services.rpc.unary(ImagesService.method.get, { name }, call);
    return this.#image(name, reply.image);
  }

  /**
   * Lists images, all of them or those that match one of the filters.
   *
   * @see https://github.com/containerd/containerd/blob/v2.1.4/pkg/filters/filter.go
   */
  async *list(filters: readonly string[] = [], call: CallOptions = {}): AsyncGenerator<Image, void, undefined> {
    const reply = await this.#services.rpc.unary(ImagesService.method.list, { filters: [...filters] }, call);
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
    const image = { name, target: descriptorInit(target), labels: { ...options.labels } };
    const reply = await this.#services.rpc.unary(ImagesService.method.create, { image }, options);
    return this.#image(name, reply.image, target);
  }

  /**
   * Points a name at something else, or changes its labels.
   *
   * @throws {NotFoundError} when there is no image of that name
   * @throws {InvalidArgumentError} when nothing is to be changed
   */
  async update(name: string, changes: ImageChanges, call: CallOptions = {}): Promise<Image> {
    const { labels, paths } = labelChanges(changes.labels ?? {});
    const { target } = changes;
    if (target !== undefined) paths.push("target");
    if (paths.length === 0)
      throw new InvalidArgumentError(`Cannot update image ${JSON.stringify(name)}: no change is named`);
    // Containerd up to 2.1 dies of a request without a target, even when the mask does not name it.
    const image = { name, labels, target: target === undefined ? {} : descriptorInit(target) };
    const reply = await this.#services.rpc.unary(ImagesService.method.update, { image, updateMask: { paths } }, call);
    return this.#image(name, reply.image, target);
  }

  /**
   * Removes a name; its content is collected when nothing else holds it. `sync` waits for that.
   *
   * @throws {NotFoundError} when there is no image of that name
   */
  async delete(name: string, options: { readonly sync?: boolean | undefined } & CallOptions = {}): Promise<void> {
    await this.#services.rpc.unary(ImagesService.method.delete, { name, sync: options.sync ?? false }, options);
  }

  #image(name: string, message: ImageMessage | undefined, target?: Descriptor): Image {
    const image = new Image(this.#services, present(message, "an image"));
    requireSame(image.name, name, "image");
    if (target !== undefined) requireSame(image.target.digest, target.digest, `the target of image ${name}:`);
    return image;
  }
}
