import { CanceledError } from "../errors.js";
import type { Transport } from "../rpc/transport.js";

interface UnderWay {
  readonly callOff: (reason: Error) => void;
  readonly over: Promise<unknown>;
}

const underWay = new WeakMap<Transport, Set<UnderWay>>();

/** What is under way over a connection. */
export function underWayOver(transport: Transport): Set<UnderWay> {
  const operations = underWay.get(transport) ?? new Set();
  underWay.set(transport, operations);
  return operations;
}

/** Calls off what is under way over a connection, and waits until each has cleaned up: nobody could do it afterwards. */
export async function callOffOperations(transport: Transport): Promise<void> {
  const operations = [...(underWay.get(transport) ?? [])];
  const reason = new CanceledError("The client was closed");
  for (const { callOff } of operations) callOff(reason);
  await Promise.allSettled(operations.map(({ over }) => over));
}
