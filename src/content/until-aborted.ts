/** Ends the waiting for a source that gives nothing when the caller does not want to wait any more. */
export async function* untilAborted(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (signal === undefined) return yield* source;
  const chunks = source[Symbol.asyncIterator]();
  let refuse: (reason: Error) => void = () => {};
  const abort = (): void => refuse(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      // A race with one promise for all chunks would remember every one of them.
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        refuse = reject;
        chunks.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    if (signal.aborted) abandon(source, chunks);
    else await chunks.return?.();
  }
}

/** A source that hangs would hang here too. A stream's iterator ends it only when the next bytes come. */
function abandon(source: AsyncIterable<Uint8Array>, chunks: AsyncIterator<Uint8Array>): void {
  chunks.return?.().catch(() => {});
  if ("destroy" in source && typeof source.destroy === "function") source.destroy();
}
