/** Calls somebody's listener, if there is one. One that throws cannot harm the work it is told of: its error is thrown on its own. */
export function toListener<T>(listener: ((progress: T) => void) | undefined): (progress: T) => void {
  return (progress) => {
    try {
      listener?.(progress);
    } catch (reason) {
      queueMicrotask(() => {
        throw reason;
      });
    }
  };
}
