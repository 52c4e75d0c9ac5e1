import type { Events } from "../../api/services/events/v1/events_pb.js";
import { InvalidArgumentError } from "../../errors.js";
import type { ServiceImpl } from "../../rpc/router.js";
import { callContext } from "../context.js";
import type { Exchange } from "./exchange.js";

/** Answers for containerd's events: published by whoever may call, seen by all who listen, whatever their namespace. */
export function eventsService(exchange: Exchange): ServiceImpl<typeof Events> {
  return {
    publish({ topic, event }, context) {
      const { namespace } = callContext(context);
      if (event === undefined) throw new InvalidArgumentError("event must be set: invalid argument");
      exchange.publish(namespace, topic, event);
      return {};
    },
    forward({ envelope }) {
      if (envelope === undefined) throw new InvalidArgumentError("envelope must be set: invalid argument");
      exchange.forward(envelope);
      return {};
    },
    subscribe: ({ filters }, { signal }) => exchange.subscribe(filters, signal),
  };
}
