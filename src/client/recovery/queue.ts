import type { Transport } from "../../rpc/transport.js";

interface Waiting {
  readonly most: number;
  readonly go: () => void;
}

interface Line {
  running: number;
  readonly waiting: Set<Waiting>;
}

const lines = new WeakMap<Transport, Line>();

/**
 * Waits until fewer than `most` operations run over a connection. The result lets the next one go.
 *
 * @throws the signal's reason when it aborts first
 */
export async function takeTurn(transport: Transport, most: number, signal: AbortSignal): Promise<() => void> {
  signal.throwIfAborted();
  const line = lines.get(transport) ?? { running: 0, waiting: new Set<Waiting>() };
  lines.set(transport, line);
  if (line.running >= most) await stand(line, most, signal);
  else line.running++;
  return () => {
    line.running--;
    for (const next of line.waiting) {
      if (line.running >= next.most) continue;
      line.waiting.delete(next);
      line.running++;
      next.go();
    }
  };
}

function stand(line: Line, most: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      line.waiting.delete(waiting);
      reject(signal.reason);
    };
    const waiting = {
      most,
      go: () => {
        signal.removeEventListener("abort", leave);
        resolve();
      },
    };
    line.waiting.add(waiting);
    signal.addEventListener("abort", leave, { once: true });
  });
}
