/** Does something once, though it may be asked for sooner and again later; what failed is tried again when it is asked for again. */
export function once<A extends readonly unknown[]>(
  act: (...args: A) => Promise<unknown>,
): (...args: A) => Promise<void> {
  let done: Promise<void> | undefined;
  return (...args) => {
    done ??= act(...args).then(
      () => {},
      (reason: unknown) => {
        done = undefined;
        throw reason;
      },
    );
    return done;
  };
}
