import { timeLeft } from "../call-timeout.js";
import { blobFileChunks, openBlobFile } from "../content/remote-file.js";
import type { Provider } from "../content/store.js";
import { MAX_DOCUMENT_SIZE } from "../oci/json.js";
import { verifyBytes } from "../oci/verify.js";
import type { Services } from "./services.js";
import { sharedRoot } from "./shared-root.js";

/**
 * Reads small blobs, and small parts of large ones, from the files the daemon keeps them in where these can be seen, and from the daemon
 * otherwise, as where the client is told not to use them. Whether the namespace has a blob is not asked: for what something in the namespace refers to, or is known to be there.
 */
export function visibleBlobs(services: Services): Provider {
  return {
    async *read(target, options = {}) {
      const { offset = 0, length, ...call } = options;
      const { digest, size } = target;
      const wanted = size === undefined || !services.localContent ? 0 : Math.min(length ?? size, size - offset);
      const left = timeLeft(call);
      // Whatever is wrong, the daemon is asked, and has its own words for it.
      const looking = wanted > 0 && wanted <= MAX_DOCUMENT_SIZE ? sharedRoot(services, call) : undefined;
      const shared = await looking?.catch(() => undefined);
      call.signal?.throwIfAborted();
      const file = shared && size !== undefined ? await openBlobFile(shared.content, digest, size) : undefined;
      if (file === undefined) return yield* services.content.read(target, { ...options, ...left() });
      const part = { from: offset, to: offset + wanted };
      const bytes = await joined(blobFileChunks(file, digest, part, left())).catch(() => undefined);
      if (bytes === undefined) return yield* services.content.read(target, { ...options, ...left() });
      if (wanted === size) verifyBytes(bytes, { digest, size });
      yield bytes;
    },
  };
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const held: Uint8Array[] = [];
  for await (const chunk of chunks) held.push(chunk);
  return Buffer.concat(held);
}
