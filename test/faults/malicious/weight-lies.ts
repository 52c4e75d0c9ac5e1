import { digestOf } from "../../../src/oci/index.js";
import { flood, framed } from "./frame-lies.js";
import { type Answer, between, oneOf, type Question, type WireLie } from "./lie.js";

const MIB = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

async function drain(items: AsyncIterable<unknown>): Promise<Answer> {
  for await (const _ of items);
  return "made up";
}

/** Some call that is answered with a list in its first field. */
function anyList({ client, call, random }: Question): Promise<Answer> {
  return oneOf(random, [
    () => drain(client.images.list([], call)),
    () => drain(client.containers.list([], call)),
    () => drain(client.containers.records([], call)),
    () => drain(client.leases.list([], call)),
    () => drain(client.namespaces.list(call)),
    () => drain(client.content.list([], call)),
    () => client.introspection.plugins([], call).then((): Answer => "made up"),
  ])();
}

/** A list whose records are so many and so small that they take a hundred times as much in memory as on the wire. */
function heavy(name: string, record: Buffer, ask: WireLie["ask"], isInRecord = false): WireLie {
  return {
    name,
    tell: async (call, random) => {
      const inPiece = Math.floor(PIECE_BYTES / record.length);
      const pieces = between(random, 4 * MIB, 15 * MIB) / (inPiece * record.length);
      const piece = Buffer.alloc(inPiece * record.length, record);
      const length = Math.floor(pieces) * piece.length;
      const head = isInRecord ? recordHead(length) : Buffer.alloc(0);
      call.raw(framed(head, 0, head.length + length));
      await flood(call, piece, length);
      call.end();
    },
    ask,
  };
}

/** The tag and the length of the first field, when it is as long as that. */
function recordHead(length: number): Buffer {
  const bytes = [0x0a];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

const field = (number: number, ...body: readonly number[]) => Buffer.from([number * 8 + 2, body.length, ...body]);

/** What is light on the wire and heavy in memory. */
export const weightLies: readonly WireLie[] = [
  heavy("millions of records with nothing in them", field(1), anyList),
  heavy(
    "millions of records with records in them that have nothing in them",
    field(1, 0x1a, 0, 0x3a, 0, 0x42, 0),
    (to) => drain(to.client.images.list([], to.call)),
  ),
  heavy("millions of labels with nothing in them", field(1, 0x12, 0, 0x12, 0, 0x12, 0), (to) =>
    drain(to.client.containers.records([], to.call)),
  ),
  heavy(
    "millions of labels of one blob",
    field(5),
    ({ client, call }) => client.content.info(digestOf(Buffer.from("any")), call).then((): Answer => "made up"),
    true,
  ),
];
