import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Containers } from "../../src/api/services/containers/v1/containers_pb.js";
import { Content } from "../../src/api/services/content/v1/content_pb.js";
import { Diff } from "../../src/api/services/diff/v1/diff_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { Images } from "../../src/api/services/images/v1/images_pb.js";
import { Introspection } from "../../src/api/services/introspection/v1/introspection_pb.js";
import { Leases } from "../../src/api/services/leases/v1/leases_pb.js";
import { Namespaces } from "../../src/api/services/namespaces/v1/namespace_pb.js";
import { Snapshots } from "../../src/api/services/snapshots/v1/snapshots_pb.js";
import { Tasks } from "../../src/api/services/tasks/v1/tasks_pb.js";
import { Version } from "../../src/api/services/version/v1/version_pb.js";
import type { Transport } from "../../src/rpc/transport.js";

const services: readonly DescService[] = [
  Containers,
  Content,
  Diff,
  Events,
  Images,
  Introspection,
  Leases,
  Namespaces,
  Snapshots,
  Tasks,
  Version,
];

/** Every RPC there is a description of, as `Service.Method`. */
export const allRpcs: readonly string[] = services.flatMap((service) => service.methods.map(nameOf));

/** RPCs nothing in the library calls, and why. */
export const unwrapped: Readonly<Record<string, string>> = {
  "Events.Forward": "for shims and for daemons that pass on what they did not see themselves",
  "Snapshots.Cleanup": "the garbage collector has snapshotters do it; over the wire daemons refuse it",
};

/** Writes down which RPCs went through a transport, and whether the daemon answered any of them well. */
export class RpcLedger {
  readonly called: Set<string> = new Set();
  readonly answered: Set<string> = new Set();
  readonly #hidden = new Set<string>();

  /** From now on the daemon seems not to know this RPC. */
  hide(rpc: string): void {
    this.#hidden.add(rpc);
  }

  wrap(inner: Transport): Transport {
    return {
      local: inner.local ?? false,
      close: () => inner.close?.(),
      unary: async (method, ...rest) => {
        this.#enter(method);
        const reply = await inner.unary(method, ...rest);
        this.answered.add(nameOf(method));
        return reply;
      },
      stream: async (method, ...rest) => {
        this.#enter(method);
        const reply = await inner.stream(method, ...rest);
        this.answered.add(nameOf(method));
        return reply;
      },
    };
  }

  #enter(method: DescMethod): void {
    const name = nameOf(method);
    if (this.#hidden.has(name)) throw new ConnectError(`${name} is hidden`, Code.Unimplemented);
    this.called.add(name);
  }
}

function nameOf(method: DescMethod): string {
  return `${method.parent.name}.${method.name}`;
}
