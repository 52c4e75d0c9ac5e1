import { create, toBinary } from "@bufbuild/protobuf";
import { ListContainerMessageSchema } from "../../../src/api/services/containers/v1/containers_pb.js";
import {
  ListContentResponseSchema,
  ReadContentResponseSchema,
} from "../../../src/api/services/content/v1/content_pb.js";
import { EnvelopeSchema } from "../../../src/api/types/event_pb.js";
import { readBlob } from "../../../src/content/index.js";
import { digestOf } from "../../../src/oci/index.js";
import type { FakeCall } from "../../rpc/fake-daemon.js";
import { type Answer, between, bytesFrom, type Question, type ServiceLie, type WireLie } from "./lie.js";

const DEADLINE_MS = 150;
const MANY = 64;

/** The same message again and again, as fast as it is taken. */
async function endless(call: FakeCall, message: Uint8Array): Promise<void> {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const piece = Buffer.concat(Array.from({ length: MANY }, () => [head, message]).flat());
  call.answer();
  const { stream } = call;
  while (!stream.destroyed) {
    if (stream.write(piece)) continue;
    await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), call.closed]);
  }
}

async function drain(items: AsyncIterable<unknown>): Promise<Answer> {
  for await (const _ of items);
  return "made up";
}

function flood(name: string, message: (random: () => number) => Uint8Array, ask: WireLie["ask"]): WireLie {
  return { name, deadlineMs: DEADLINE_MS, tell: (call, random) => endless(call, message(random)), ask };
}

const target = { mediaType: "any", digest: digestOf(Buffer.from("any")) };
const block = (length: number) =>
  toBinary(ReadContentResponseSchema, create(ReadContentResponseSchema, { data: Buffer.alloc(length) }));

/** An event stream of what is no event. */
function events(
  name: string,
  event: (random: () => number) => { typeUrl: string; value: Uint8Array } | undefined,
): ServiceLie {
  return {
    name,
    lie: (_, random) => ({
      events: {
        async *subscribe() {
          const payload = event(random);
          yield { topic: "/tasks/exit", namespace: "lies", ...(payload === undefined ? {} : { event: payload }) };
        },
      },
    }),
    ask: async ({ client, call }) => drain(client.events([], call)),
  };
}

/** What has no end, or is garbage all along. */
export const streamLies: readonly (WireLie | ServiceLie)[] = [
  flood(
    "a blob without end",
    (random) => block(between(random, 1, 65_536)),
    ({ client, call }) => readBlob(client.content, { ...target, size: 3 }, call).then(() => "made up"),
  ),
  flood(
    "a blob without end, of no known size",
    (random) => block(between(random, 1, 65_536)),
    ({ client, call }) => drain(client.content.read(target, call)),
  ),
  flood(
    "a blob of empty pieces without end",
    () => block(0),
    ({ client, call }) => readBlob(client.content, { ...target, size: 3 }, call).then(() => "made up"),
  ),
  flood(
    "a list of content without end",
    (random) => {
      const info = { digest: target.digest, size: 3n, labels: { a: "x".repeat(between(random, 0, 4000)) } };
      return toBinary(ListContentResponseSchema, create(ListContentResponseSchema, { info: Array(8).fill(info) }));
    },
    ({ client, call }: Question) => drain(client.content.list([], call)),
  ),
  flood(
    "a list of containers without end",
    (random) =>
      toBinary(
        ListContainerMessageSchema,
        create(ListContainerMessageSchema, { container: { id: "x".repeat(between(random, 1, 4000)) } }),
      ),
    ({ client, call }) => drain(client.containers.list([], call)),
  ),
  flood(
    "events without end",
    (random) =>
      toBinary(
        EnvelopeSchema,
        create(EnvelopeSchema, { topic: "/none", event: { typeUrl: "x".repeat(between(random, 0, 4000)) } }),
      ),
    ({ client, call }) => drain(client.events([], call)),
  ),
  events("an event whose payload is garbage", (random) => ({
    typeUrl: "containerd.events.TaskExit",
    value: Buffer.concat([Buffer.of(7), bytesFrom(random, between(random, 0, 2000))]),
  })),
  events("an event without a payload", () => undefined),
];
