import { InvalidArgumentError } from "../errors.js";
import type { Labels } from "../oci/descriptor.js";

const MOST_LABEL_BYTES = 4096;

/** The labels after a change; one with no value is no label. */
export function applyLabels(labels: Labels, changes: Readonly<Record<string, string | null>>): Labels {
  for (const [name, value] of Object.entries(changes)) {
    const length = Buffer.byteLength(name) + Buffer.byteLength(value ?? "");
    if (length > MOST_LABEL_BYTES) {
      throw new InvalidArgumentError(
        `label key and value length (${length} bytes) greater than maximum size (${MOST_LABEL_BYTES} bytes), key: ${name.slice(0, 64)}`,
      );
    }
  }
  const all = Object.entries({ ...labels, ...changes });
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== null && entry[1] !== ""));
}
