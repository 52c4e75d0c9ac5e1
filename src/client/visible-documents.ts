import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Provider } from "../content/store.js";
import { MAX_DOCUMENT_SIZE } from "../oci/json.js";
import { verifyBytes } from "../oci/verify.js";
import type { Services } from "./services.js";
import { sharedRoot } from "./shared-root.js";

/**
 * Reads the documents of images from the files the daemon keeps them in, where these can be seen, and from the daemon otherwise. For
 * what an image of the namespace refers to: whether the namespace has it is not asked.
 */
export function visibleDocuments(services: Services): Provider {
  return {
    async *read(target, options = {}) {
      const { offset, length, ...call } = options;
      const { digest, size = Number.POSITIVE_INFINITY } = target;
      const shared = size <= MAX_DOCUMENT_SIZE ? await sharedRoot(services, call) : undefined;
      const path = shared && join(shared.content, "blobs", ...digest.split(":"));
      // Whatever is wrong with the file, the daemon has its own words for it.
      const bytes = path && (await readFile(path, { signal: call.signal }).catch(() => undefined));
      if (!bytes || bytes.length !== size || offset !== undefined || length !== undefined) {
        yield* services.content.read(target, options);
      } else {
        verifyBytes(bytes, { digest, size });
        yield bytes;
      }
    },
  };
}
