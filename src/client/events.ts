import { type DescMessage, isMessage } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { Events as EventsService } from "../api/services/events/v1/events_pb.js";
import type { Envelope } from "../api/types/event_pb.js";
import type { CallOptions } from "../call-options.js";
import { InvalidArgumentError } from "../errors.js";
import type { Rpc } from "../rpc/rpc.js";
import { packAny, unpackAny } from "../typeurl.js";
import { messageOf, plainOf } from "./event-payload.js";
import { type Events, eventSchemas, isTopic } from "./event-topics.js";
import { present, recordedAt } from "./wire.js";

/** An event of one topic. Its payload is plain where the topic is known, and an Any where it is not. */
export type EventOf<T extends string> = T extends keyof Events
  ? {
      /** What it tells of. */
      readonly topic: T;
      /** The namespace it happened in. */
      readonly namespace: string;
      /** When it was published. */
      readonly publishedAt: Date;
      /** What it tells. */
      readonly payload: Readonly<Events[T]>;
    }
  : {
      /** What it tells of. */
      readonly topic: T;
      /** The namespace it happened in. */
      readonly namespace: string;
      /** When it was published. */
      readonly publishedAt: Date;
      /** What it tells, as it came. */
      readonly payload: Any;
    };

/**
 * Which events to listen to.
 *
 * @inline
 */
export interface EventsOptions extends CallOptions {
  /** Events must match one of these, beside topic and namespace, such as `event.container_id=="counter"`. */
  readonly filters?: readonly string[] | undefined;
  /** Events of all namespaces, not of the client's alone. */
  readonly allNamespaces?: boolean | undefined;
}

/** Listens to what happens, from the first item asked for until the loop is left. */
export async function* subscribe<T extends string>(
  rpc: Rpc,
  topics: readonly T[],
  options: EventsOptions,
): AsyncGenerator<EventOf<T>, void, undefined> {
  const filters = subscriptionFilters(
    topics,
    options.allNamespaces === true ? undefined : rpc.namespace,
    options.filters,
  );
  for await (const envelope of rpc.serverStream(EventsService.method.subscribe, { filters }, options)) {
    const event = eventOf(envelope);
    // Without topics only those are promised that can be read.
    if (event !== undefined && (topics.length > 0 || isTopic(event.topic))) yield event as EventOf<T>;
  }
}

/** Publishes an event in the namespace of `rpc`. */
export async function publishEvent(rpc: Rpc, topic: string, payload: object, call: CallOptions): Promise<void> {
  if (!/^\/[a-z0-9_-]+(?:\/[a-z0-9_-]+)*$/i.test(topic)) {
    throw new InvalidArgumentError(
      `Cannot publish to topic ${JSON.stringify(topic)}: expected a path such as "/tasks/exit"`,
    );
  }
  const event = isAny(payload) ? payload : pack(topic, payload);
  await rpc.unary(EventsService.method.publish, { topic, event }, call);
}

/** Each alternative of the daemon's filters names all it must match. */
export function subscriptionFilters(
  topics: readonly string[],
  namespace: string | undefined,
  more: readonly string[] = [],
): string[] {
  const scope = namespace === undefined ? [] : [`namespace==${JSON.stringify(namespace)}`];
  const ofTopics = topics.length === 0 ? [[]] : topics.map((topic) => [`topic==${JSON.stringify(topic)}`]);
  const others = more.length === 0 ? [[]] : more.map((filter) => [filter]);
  const all = ofTopics.flatMap((topic) => others.map((other) => [...topic, ...scope, ...other].join(",")));
  return all.filter((filter) => filter !== "");
}

function eventOf(envelope: Envelope): EventOf<string> | undefined {
  const { topic, namespace, timestamp } = envelope;
  const any = present(envelope.event, "an event's payload");
  const schema: DescMessage | undefined = isTopic(topic) ? eventSchemas[topic] : undefined;
  const message = schema && unpackAny(any, schema);
  // A known topic promises its payload: what others publish under its name is none of it.
  if (schema !== undefined && message === undefined) return undefined;
  const payload = schema && message ? plainOf(schema, message) : any;
  return { topic, namespace, publishedAt: recordedAt(timestamp), payload } as EventOf<string>;
}

function pack(topic: string, payload: object): Any {
  if (!isTopic(topic)) {
    throw new InvalidArgumentError(`Cannot publish to topic ${JSON.stringify(topic)}: its payload must be an Any`);
  }
  const schema: DescMessage = eventSchemas[topic];
  return packAny(schema, messageOf(schema, payload));
}

function isAny(payload: object): payload is Any {
  return isMessage(payload, AnySchema);
}
