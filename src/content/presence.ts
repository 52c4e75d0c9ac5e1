import type { CallOptions } from "../call-options.js";
import { DataLossError, isContainerdError, isNotFound } from "../errors.js";
import type { Descriptor, Labels } from "../oci/descriptor.js";
import type { Manager, Provider } from "./store.js";

/**
 * Whatever gives bytes; a store also says what it has.
 *
 * @inline
 */
export type AnyProvider = Provider & Partial<Pick<Manager, "info">>;

/**
 * The labels of a blob that is there; `undefined` when it is not. Where nobody can be asked its last byte is read, and there are
 * no labels.
 *
 * @throws {DataLossError} when what is there has another size
 */
export async function labelsWhenPresent(
  provider: AnyProvider,
  { digest, size }: Descriptor,
  call: CallOptions,
): Promise<Labels | undefined> {
  const tooShort = (cause?: unknown): DataLossError =>
    new DataLossError(`Content ${digest} is shorter than the ${size} bytes its descriptor says`, { cause });
  try {
    if (provider.info !== undefined) {
      const info = await provider.info(digest, call);
      if (info.size === size) return info.labels;
      throw new DataLossError(`Content ${digest} has ${info.size} bytes, its descriptor says ${size}`);
    }
    const last = { ...call, offset: Math.max(size - 1, 0), length: 1 };
    for await (const _ of provider.read({ digest }, last)) return {};
    if (size === 0) return {};
    throw tooShort();
  } catch (reason) {
    if (isNotFound(reason)) return undefined;
    if (!isContainerdError(reason, "out_of_range")) throw reason;
    throw new DataLossError(`Content ${digest} is shorter than the ${size} bytes its descriptor says`, {
      cause: reason,
    });
  }
}

/** What is there of several blobs, and what is not, in their order. */
export async function presenceOf(
  provider: AnyProvider,
  required: readonly Descriptor[],
  call: CallOptions,
): Promise<{ readonly present: readonly Descriptor[]; readonly missing: readonly Descriptor[] }> {
  const present: Descriptor[] = [];
  const missing: Descriptor[] = [];
  for (const descriptor of required) {
    const labels = await labelsWhenPresent(provider, descriptor, call);
    (labels === undefined ? missing : present).push(descriptor);
  }
  return { present, missing };
}
