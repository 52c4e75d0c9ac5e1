import { CanceledError } from "../errors.js";

/** What a caller sends, which ends with an error when the call ends before it: a transport inside this process says nothing then. */
export async function* untilEnd<T>(requests: AsyncIterable<T>, end: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = requests[Symbol.asyncIterator]();
  let cut = (): void => {};
  const over = new Promise<never>((_, reject) => {
    cut = () => reject(new CanceledError("context canceled"));
  });
  // Nobody may be waiting when it ends.
  over.catch(() => {});
  end.addEventListener("abort", cut, { once: true });
  if (end.aborted) cut();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), over]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    end.removeEventListener("abort", cut);
  }
}

/** What a handler answers, which is told to stop when the call ends: else its files and locks would stay with it. */
export function stoppedAt<T>(answers: AsyncIterable<T>, end: AbortSignal): AsyncIterable<T> {
  const iterator = answers[Symbol.asyncIterator]();
  // The caller has gone: there is nobody to tell of a failure.
  const stop = () => void iterator.return?.().then(undefined, () => {});
  end.addEventListener("abort", stop, { once: true });
  if (end.aborted) stop();
  return { [Symbol.asyncIterator]: () => iterator };
}
