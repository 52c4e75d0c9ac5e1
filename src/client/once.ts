/** Does something once, though it may be asked for sooner and again later; what failed is tried again when it is asked for again. */
export function once<A extends readonly unknown[], T>(act: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
  let done: Promise<T> | undefined;
  return (...args) => {
    done ??= act(...args).catch((reason: unknown) => {
      done = undefined;
      throw reason;
    });
    return done;
  };
}
