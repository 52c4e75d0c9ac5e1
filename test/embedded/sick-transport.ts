import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Transport } from "../../src/rpc/transport.js";

/** A way to a daemon on which what `before` throws is the answer to a call. Without a guardian: that goes its own way. */
export function listenedIn(
  inner: Transport,
  before: (method: DescMethod, input: { readonly containerId?: string }) => void,
): Transport {
  return {
    local: inner.local ?? false,
    close: () => inner.close?.(),
    unary: async (method, signal, timeoutMs, header, input) => {
      before(method, input as { readonly containerId?: string });
      return inner.unary(method, signal, timeoutMs, header, input);
    },
    stream: (...call) => inner.stream(...call),
  };
}

/** The process ends at once when it is about to make that call: the first one of a pid namespace cannot kill itself. */
export function dyingAt(inner: Transport, name: string): Transport {
  return listenedIn(inner, (method) => {
    if (method.name === name) process.exit(1);
  });
}

/** Nothing can be said about the task of that container, as when its shim hangs or is gone. */
export function withSickTask(inner: Transport, id: string): Transport {
  return listenedIn(inner, ({ parent, name }, { containerId }) => {
    if (parent.typeName.endsWith("tasks.v1.Tasks") && name === "Get" && containerId === id) {
      throw new ConnectError("ttrpc: closed", Code.Unknown);
    }
  });
}

/** A checkpoint of that container fails, its task cannot be resumed, and then nothing can be said about it. */
export function withStuckTask(inner: Transport, id: string): Transport {
  let stuck = false;
  return listenedIn(inner, ({ parent, name }, { containerId }) => {
    if (!parent.typeName.endsWith("tasks.v1.Tasks") || containerId !== id) return;
    stuck ||= name === "Checkpoint";
    if (stuck) throw new ConnectError("the shim is stuck", Code.Unknown);
  });
}
