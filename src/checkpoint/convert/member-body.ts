import type { CallOptions } from "../../call-options.js";
import type { Provider } from "../../content/store.js";
import { NotFoundError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { listTarMembers } from "../tar-members.js";

/** The content of one file of a plain tar in a provider, without reading the others. */
export async function* memberBody(
  provider: Provider,
  tar: Descriptor,
  wanted: string,
  call: CallOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { name, offset, size } of listTarMembers(provider, tar, call)) {
    if (name !== wanted) continue;
    if (size > 0) yield* provider.read(tar, { ...call, offset, length: size });
    return;
  }
  throw new NotFoundError(`Cannot read ${JSON.stringify(wanted)}: ${tar.digest} does not have it`);
}
