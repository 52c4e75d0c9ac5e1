const steady = new WeakSet<ArrayBufferLike>();

/** Promises that bytes of a message stay as they are until it is answered, so that the next message need not wait until they have gone. */
export function keepSteady(bytes: Uint8Array): Uint8Array {
  steady.add(bytes.buffer);
  return bytes;
}

/** Whether that was promised. */
export function isSteady(bytes: Uint8Array): boolean {
  return steady.has(bytes.buffer);
}
