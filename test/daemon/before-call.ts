import { type Transport, unixTransport } from "../../src/index.js";

/** A connection over which something happens before a method of the tasks is called. A guardian can have one of its own beside it. */
export function before(address: string, method: string, act: () => unknown): Transport {
  const transport = unixTransport(address);
  const unary = transport.unary.bind(transport);
  transport.unary = async (called, ...rest) => {
    if (called.name === method && called.parent.name === "Tasks") await act();
    return unary(called, ...rest);
  };
  return transport;
}
