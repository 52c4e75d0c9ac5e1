import { readBlob } from "../../../src/content/index.js";
import type { Digest } from "../../../src/oci/index.js";
import { digestOf } from "../../../src/oci/index.js";
import { type Answer, between, bytesFrom, oneOf, type ServiceLie } from "./lie.js";

const MEDIA_TYPE = "application/octet-stream";

/** Bytes the daemon sends for a blob, in pieces. */
function sent(
  name: string,
  change: (bytes: Buffer, random: () => number) => Buffer,
  digest: (bytes: Buffer, random: () => number) => Digest = (bytes) => digestOf(bytes),
): ServiceLie {
  let bytes: Buffer;
  return {
    name,
    lie: (_, random) => {
      bytes = bytesFrom(random, between(random, 1, 300_000));
      const changed = change(Buffer.from(bytes), random);
      return {
        content: {
          async *read() {
            for (let at = 0; at < changed.length; ) {
              const end = at + between(random, 1, 65_536);
              yield { data: changed.subarray(at, end) };
              at = end;
            }
          },
        },
      };
    },
    ask: async ({ client, call, random }) => {
      const target = { mediaType: MEDIA_TYPE, digest: digest(bytes, random), size: bytes.length };
      await readBlob(client.content, target, call);
      return "made up";
    },
  };
}

const any = digestOf(Buffer.from("any"));

/** What the daemon says about a blob. */
function said(name: string, info: (random: () => number) => object | undefined): ServiceLie {
  return {
    name,
    lie: (_, random) => {
      const one = info(random);
      const reply = one === undefined ? {} : { info: one };
      return { content: { info: () => reply, update: () => reply } };
    },
    ask: async ({ client, call, random }) => {
      await oneOf(random, [() => client.content.info(any, call), () => client.content.update(any, { a: "b" }, call)])();
      return "made up";
    },
  };
}

/** What is wrong with blobs that are read, and with what is said about them. */
export const contentLies: readonly ServiceLie[] = [
  sent("a blob of another digest", (bytes, random) => {
    const at = between(random, 0, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << between(random, 0, 7));
    return bytes;
  }),
  sent("a blob that is too short", (bytes, random) => bytes.subarray(0, between(random, 0, bytes.length - 1))),
  sent("a blob that is too long", (bytes, random) =>
    Buffer.concat([bytes, bytesFrom(random, between(random, 1, 100_000))]),
  ),
  sent("a blob that comes twice", (bytes) => Buffer.concat([bytes, bytes])),
  sent(
    "a blob under a digest of another algorithm",
    (bytes) => bytes,
    (_, random) =>
      oneOf(random, [
        `sha512:${"0".repeat(128)}`,
        `sha384:${"a".repeat(96)}`,
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "__proto__:00",
      ]) as Digest,
  ),
  said("a blob's info that is of another blob", (random) => ({ digest: digestOf(bytesFrom(random, 9)), size: 3n })),
  said("a blob's info that is not there", () => undefined),
  said("a blob's info with no such size", (random) => ({
    digest: any,
    size: oneOf(random, [-1n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n]),
  })),
  said("a blob's info with no such digest", (random) => ({
    digest: oneOf(random, ["", "sha256:", "sha256:xyz", `sha256:${"A".repeat(64)}`, "x".repeat(5000), "\u0000"]),
    size: 3n,
  })),
  said("a blob's info of no such time", (random) => ({
    digest: any,
    size: 3n,
    createdAt: { seconds: oneOf(random, [2n ** 63n - 1n, 10n ** 15n, 8_640_000_000_001n]), nanos: -1 },
  })),
  {
    name: "the same blobs in a list, many times",
    harmless: "a list is what the daemon says it is; nothing is made of it",
    lie: (_, random) => {
      const times = between(random, 2, 500);
      return {
        content: {
          async *list() {
            for (let nth = 0; nth < times; nth++)
              yield {
                info: [
                  { digest: any, size: 3n },
                  { digest: any, size: 3n },
                ],
              };
          },
        },
      };
    },
    ask: async ({ client, call }): Promise<Answer> => {
      for await (const { digest } of client.content.list([], call)) if (digest !== any) return "made up";
      return "true";
    },
  },
  {
    name: "a part of a blob that is longer than was asked for",
    lie: (_, random) => ({
      content: {
        async *read({ size }) {
          yield { data: bytesFrom(random, Number(size) + between(random, 1, 5000)) };
        },
      },
    }),
    ask: async ({ client, call, random }) => {
      for await (const _ of client.content.read({ digest: any }, { ...call, length: between(random, 1, 9000) }));
      return "made up";
    },
  },
];
