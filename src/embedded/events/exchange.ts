import { create } from "@bufbuild/protobuf";
import { type Any, timestampNow } from "@bufbuild/protobuf/wkt";
import { type Envelope, EnvelopeSchema } from "../../api/types/event_pb.js";
import { parseFilters } from "../../content/filter-match.js";
import { InvalidArgumentError, ResourceExhaustedError, UnavailableError } from "../../errors.js";
import { checkIdentifier } from "../identifiers.js";
import { eventLookup } from "./event-fields.js";

/** Events a listener may be behind. */
const MOST_WAITING = 10_000;

interface Listener {
  readonly matches: (envelope: Envelope) => boolean;
  readonly waiting: Envelope[];
  lost: boolean;
  wake: () => void;
}

/** Where events come in and go out. */
export class Exchange {
  readonly #listeners = new Set<Listener>();
  readonly #end: AbortSignal;

  /** Until the `end`. */
  constructor(end: AbortSignal) {
    this.#end = end;
  }

  /** Tells all who listen. */
  publish(namespace: string, topic: string, event: Any): void {
    this.forward(create(EnvelopeSchema, { timestamp: timestampNow(), namespace, topic, event }));
  }

  /**
   * Tells all who listen of an event that was published elsewhere.
   *
   * @throws {InvalidArgumentError} when namespace or topic are malformed
   */
  forward(envelope: Envelope): void {
    checkEnvelope(envelope);
    for (const listener of this.#listeners) {
      if (!listener.lost && listener.matches(envelope)) offer(listener, envelope);
    }
  }

  /**
   * Yields what is published from the call on, not from the first item asked for; ends with the signal.
   *
   * @throws {UnavailableError} when the daemon ends
   * @throws {ResourceExhaustedError} when who listens is 10 000 events behind: a daemon keeps them, and grows
   */
  subscribe(filters: readonly string[], signal: AbortSignal): AsyncGenerator<Envelope, void, undefined> {
    const matches = parseFilters(filters);
    const listener: Listener = {
      matches: (envelope) => matches(eventLookup(envelope)),
      waiting: [],
      lost: false,
      wake: () => {},
    };
    this.#listeners.add(listener);
    return this.#take(listener, signal);
  }

  async *#take(listener: Listener, signal: AbortSignal): AsyncGenerator<Envelope, void, undefined> {
    const wake = () => listener.wake();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        const envelope = listener.waiting.shift();
        if (envelope !== undefined) yield envelope;
        else if (listener.lost) {
          throw new ResourceExhaustedError(
            `Cannot keep more than ${MOST_WAITING} events for one who does not read them`,
          );
        } else {
          await new Promise<void>((resolve) => {
            listener.wake = resolve;
          });
        }
      }
      // Whoever listens may not take it for the end of what happens.
      if (this.#end.aborted) throw new UnavailableError("The containerd was closed");
    } finally {
      signal.removeEventListener("abort", wake);
      this.#listeners.delete(listener);
    }
  }
}

function offer(listener: Listener, envelope: Envelope): void {
  if (listener.waiting.length < MOST_WAITING) listener.waiting.push(envelope);
  else listener.lost = true;
  listener.wake();
}

function checkEnvelope({ namespace, topic, timestamp, event }: Envelope): void {
  checkIdentifier(namespace, "event envelope has invalid namespace");
  const where = `envelope topic ${JSON.stringify(topic)}`;
  if (topic === "") throw new InvalidArgumentError(`${where}: must not be empty: invalid argument`);
  if (!topic.startsWith("/")) throw new InvalidArgumentError(`${where}: must start with '/': invalid argument`);
  for (const part of topic.slice(1).split("/")) {
    checkIdentifier(part, `${where}: failed validation on component ${JSON.stringify(part)}`);
  }
  if (timestamp === undefined) {
    throw new InvalidArgumentError("timestamp must be set on forwarded event: invalid argument");
  }
  if (event === undefined) throw new InvalidArgumentError("event must be set: invalid argument");
}
