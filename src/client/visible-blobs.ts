import { join } from "node:path";
import { openPlain } from "../content/layout/files.js";
import type { Provider, Range } from "../content/store.js";
import { MAX_DOCUMENT_SIZE } from "../oci/json.js";
import { verifyBytes } from "../oci/verify.js";
import type { Services } from "./services.js";
import { sharedRoot } from "./shared-root.js";

/**
 * Reads small blobs, and small parts of large ones, from the files the daemon keeps them in where these can be seen, and from the daemon
 * otherwise. Whether the namespace has a blob is not asked: for what something in the namespace refers to, or is known to be there.
 */
export function visibleBlobs(services: Services): Provider {
  return {
    async *read(target, options = {}) {
      const { offset, length, ...call } = options;
      const { digest, size = Number.POSITIVE_INFINITY } = target;
      const wanted = Math.min(length ?? size, size - (offset ?? 0));
      const shared = wanted > 0 && wanted <= MAX_DOCUMENT_SIZE ? await sharedRoot(services, call) : undefined;
      const path = shared && join(shared.content, "blobs", ...digest.split(":"));
      call.signal?.throwIfAborted();
      // Whatever is wrong with the file, the daemon has its own words for it.
      const bytes = path && (await readPart(path, { offset, length: wanted }).catch(() => undefined));
      if (!bytes) return yield* services.content.read(target, options);
      if (offset === undefined && length === undefined) verifyBytes(bytes, { digest, size });
      yield bytes;
    },
  };
}

/** A part of a file; `undefined` when the file ends before that. */
async function readPart(path: string, { offset = 0, length = 0 }: Range): Promise<Uint8Array | undefined> {
  const file = await openPlain(path);
  try {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, offset);
    return bytesRead === length ? bytes : undefined;
  } finally {
    await file.close();
  }
}
