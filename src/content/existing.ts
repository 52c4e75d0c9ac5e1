import type { CallOptions } from "../call-options.js";
import { DataLossError } from "../errors.js";
import type { Labels } from "../oci/descriptor.js";
import type { Digest } from "../oci/digest.js";
import type { Info, Manager } from "./store.js";

/** Makes a blob that is there already what a commit would have made: of the right size, with the labels. */
export async function keepExisting(
  manager: Manager,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  labels: Labels,
  call: CallOptions,
): Promise<Info> {
  const info = await manager.info(digest, call);
  if (info.size !== size) {
    throw new DataLossError(`Cannot use ${digest}: the store has ${info.size} bytes, expected ${size}`);
  }
  const missing = Object.entries(labels).filter(([name, value]) => value !== "" && info.labels[name] !== value);
  return missing.length === 0 ? info : manager.update(digest, Object.fromEntries(missing), call);
}
