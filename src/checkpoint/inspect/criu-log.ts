const HEAD_BYTES = 16 * 1024;

/** What criu's log says at its beginning. */
export interface CriuLogFacts {
  /** criu's version. */
  readonly criuVersion?: string;
  /** The kernel's version. */
  readonly kernelVersion?: string;
}

/** Reads the beginning of criu's log. */
export async function criuLogFacts(log: AsyncIterable<Uint8Array>): Promise<CriuLogFacts> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of log) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= HEAD_BYTES) break;
  }
  const head = Buffer.concat(chunks).subarray(0, HEAD_BYTES).toString("latin1");
  const [, criuVersion] = /^\([0-9.]+\) Version: (\d+(?:\.\d+)*)/m.exec(head) ?? [];
  const [, kernelVersion] = /^\([0-9.]+\) Running on \S+ Linux (\S+)/m.exec(head) ?? [];
  return {
    ...(criuVersion === undefined ? {} : { criuVersion }),
    ...(kernelVersion === undefined ? {} : { kernelVersion }),
  };
}
