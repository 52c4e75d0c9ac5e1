import type { ServiceImpl } from "@connectrpc/connect";
import type { Containers } from "../../../src/api/services/containers/v1/containers_pb.js";
import type { Content } from "../../../src/api/services/content/v1/content_pb.js";
import type { Events } from "../../../src/api/services/events/v1/events_pb.js";
import type { Images } from "../../../src/api/services/images/v1/images_pb.js";
import type { Introspection } from "../../../src/api/services/introspection/v1/introspection_pb.js";
import type { Leases } from "../../../src/api/services/leases/v1/leases_pb.js";
import type { Snapshots } from "../../../src/api/services/snapshots/v1/snapshots_pb.js";
import type { Tasks } from "../../../src/api/services/tasks/v1/tasks_pb.js";
import type { Client } from "../../../src/index.js";
import type { FakeCall } from "../../rpc/fake-daemon.js";
import type { HonestDaemon } from "./honest-daemon.js";

/** The services of a daemon, as a Connect router takes them. */
export interface Implementations {
  readonly content?: Partial<ServiceImpl<typeof Content>>;
  readonly images?: Partial<ServiceImpl<typeof Images>>;
  readonly containers?: Partial<ServiceImpl<typeof Containers>>;
  readonly tasks?: Partial<ServiceImpl<typeof Tasks>>;
  readonly leases?: Partial<ServiceImpl<typeof Leases>>;
  readonly snapshots?: Partial<ServiceImpl<typeof Snapshots>>;
  readonly events?: Partial<ServiceImpl<typeof Events>>;
  readonly introspection?: Partial<ServiceImpl<typeof Introspection>>;
}

/** What is asked of a daemon that lies. */
export interface Question {
  readonly client: Client;
  /** For every call of the question. */
  readonly call: { readonly timeoutMs: number };
  readonly random: () => number;
}

/** How a call may end that did not fail: with what is true, or with what the daemon made up. */
export type Answer = "true" | "made up";

interface Told {
  readonly name: string;
  /** Why a true answer is as good as an error here; without it the call must fail. */
  readonly harmless?: string;
  /** Whether it takes megabytes of documents, or a second of reading: then it is told less often. */
  readonly costly?: boolean;
  /** Milliseconds the question may take. */
  readonly deadlineMs?: number;
}

/** A lie told with the bytes of the wire. */
export interface WireLie extends Told {
  readonly tell: (call: FakeCall, random: () => number) => unknown;
  readonly ask: (question: Question) => Promise<Answer>;
}

/** A lie told by some service of a daemon that is honest otherwise. */
export interface ServiceLie extends Told {
  readonly lie: (daemon: HonestDaemon, random: () => number) => Promise<Implementations> | Implementations;
  readonly ask: (question: Question & { readonly daemon: HonestDaemon }) => Promise<Answer>;
}

export type Lie = WireLie | ServiceLie;

/** A whole number from `least` to `most`. */
export function between(random: () => number, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** One of a few. */
export function oneOf<const T extends readonly unknown[]>(random: () => number, few: T): T[number] {
  return few[Math.floor(random() * few.length)];
}

/** Bytes that come again with the same numbers. */
export function bytesFrom(random: () => number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const step = between(random, 1, 250);
  for (let at = 0, value = between(random, 0, 255); at < length; at++, value += step) bytes[at] = value;
  return bytes;
}
