import { Diff } from "../api/services/diff/v1/diff_pb.js";
import type { CallOptions } from "../call-options.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import { type Mount, mountInit } from "./mount.js";
import type { Services } from "./services.js";
import { descriptorInit, descriptorOf } from "./wire.js";

/**
 * How a difference is written.
 *
 * @inline
 */
export interface DiffOptions extends CallOptions {
  /** Media type of the layer, which decides its compression; the daemon's choice when absent. */
  readonly mediaType?: string | undefined;
  /** The ingest the layer is written through; one of the daemon's when absent. */
  readonly ref?: string | undefined;
  /** Labels of the layer's blob. */
  readonly labels?: Labels | undefined;
}

/** Differences between filesystems: the daemon makes layers of them, and unpacks layers. */
export class Diffs {
  readonly #services: Services;

  /** @internal */
  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * Has the daemon write what `upper` has and `lower` has not as a layer into its store. Only `call.lease` keeps it there.
   *
   * @throws {NotImplementedError} when the daemon knows no such media type
   */
  async diff(lower: readonly Mount[], upper: readonly Mount[], options: DiffOptions = {}): Promise<Descriptor> {
    const reply = await this.#services.rpc.unary(
      Diff.method.diff,
      {
        left: lower.map(mountInit),
        right: upper.map(mountInit),
        mediaType: options.mediaType ?? "",
        ref: options.ref ?? "",
        labels: { ...options.labels },
      },
      options,
    );
    return descriptorOf(reply.diff, "the layer it wrote");
  }

  /**
   * Has the daemon unpack a layer of its store over mounts. Resolves to the plain layer: its digest is the diff id.
   *
   * @throws {NotFoundError} when the layer is not in the store
   * @throws {NotImplementedError} when the daemon knows no such media type
   */
  async apply(layer: Descriptor, mounts: readonly Mount[], call: CallOptions = {}): Promise<Descriptor> {
    const input = { diff: descriptorInit(layer), mounts: mounts.map(mountInit) };
    const reply = await this.#services.rpc.unary(Diff.method.apply, input, call);
    return descriptorOf(reply.applied, "the layer it applied");
  }
}
