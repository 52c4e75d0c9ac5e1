import { children, gcLabels, readBlob, walk, writeBlob } from "../../src/content/index.js";
import type { Client } from "../../src/index.js";
import type { Descriptor } from "../../src/oci/index.js";

/** Carries an image with all it refers to from one client's store into another's, and gives it the same name there. */
export async function carry(from: Client, to: Client, name: string): Promise<void> {
  const { target } = await from.images.get(name);
  const found: Descriptor[] = [];
  for await (const { descriptor } of walk(from.content, target)) found.push(descriptor);
  await using lease = await to.leases.create();
  // Children first: labels name what is there.
  for (const descriptor of found.toReversed()) {
    const bytes = await readBlob(from.content, descriptor, { maxBytes: descriptor.size });
    const labels = gcLabels(children(bytes, descriptor));
    await writeBlob(to.content, bytes, { mediaType: descriptor.mediaType, labels }, { lease });
  }
  await to.images.create(name, target, { lease });
}
