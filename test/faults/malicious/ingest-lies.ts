import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponseSchema,
} from "../../../src/api/services/content/v1/content_pb.js";
import { readBlob, writeBlob } from "../../../src/content/index.js";
import { digestOf } from "../../../src/oci/index.js";
import { between, bytesFrom, oneOf, type ServiceLie } from "./lie.js";

type Reply = MessageInitShape<typeof WriteContentResponseSchema>;

const MEDIA_TYPE = "application/octet-stream";
const MOST_BYTES = 5 * 1024 * 1024;

/** What a daemon would say that keeps nothing. */
function hollow({ action, offset, data, expected }: WriteContentRequest): { offset: bigint; digest: string } {
  return { offset: offset + BigInt(data.length), digest: action === WriteAction.COMMIT ? expected : "" };
}

/** Answers to each message of a write. */
function written(
  name: string,
  answer: (request: WriteContentRequest, random: () => number) => readonly Reply[] | Promise<never>,
  more: Partial<ServiceLie> & { readonly info?: () => object } = {},
): ServiceLie {
  const { info = () => ({}), ...rest } = more;
  return {
    name,
    lie: (_, random) => ({
      content: {
        info,
        async *write(requests) {
          for await (const request of requests) yield* await answer(request, random);
        },
      },
    }),
    ask: async ({ client, call, random }) => {
      const bytes = bytesFrom(random, between(random, 1, random() < 0.1 ? MOST_BYTES : 60_000));
      const source = random() < 0.5 ? bytes : pieces(bytes, random);
      await writeBlob(client.content, source, { mediaType: MEDIA_TYPE }, call);
      return "made up";
    },
    ...rest,
  };
}

async function* pieces(bytes: Buffer, random: () => number): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + between(random, 1, 1_500_000);
    yield bytes.subarray(at, end);
    at = end;
  }
}

const isCommit = ({ action }: WriteContentRequest) => action === WriteAction.COMMIT;

/** What is wrong with the answers to what is written. */
export const ingestLies: readonly ServiceLie[] = [
  written("an ingest that is before its beginning", (request, random) => [
    { ...hollow(request), offset: oneOf(random, [-1n, -(2n ** 63n), -5000n]) },
  ]),
  written("an ingest that goes backward", (request, random) => {
    const { offset, digest } = hollow(request);
    const back = BigInt(between(random, 1, 5000));
    return [{ offset: offset > back ? offset - back : 0n, digest }];
  }),
  written("an ingest that runs ahead", (request, random) => {
    const { offset, digest } = hollow(request);
    return [{ offset: offset + BigInt(between(random, 1, 5000)), digest }];
  }),
  written("an ingest that never moves", (request) => [{ ...hollow(request), offset: 0n }]),
  {
    ...written("every answer twice", (request) => [hollow(request), hollow(request)]),
    ask: async ({ client, call, random }) => {
      const bytes = bytesFrom(random, between(random, 1, 60_000));
      await writeBlob(client.content, pieces(bytes, random), { mediaType: MEDIA_TYPE }, call);
      return "made up";
    },
  },
  written("a commit of another digest", (request, random) => [
    { ...hollow(request), ...(isCommit(request) ? { digest: digestOf(bytesFrom(random, 8)) } : {}) },
  ]),
  written("a commit of no digest", (request, random) => [
    { ...hollow(request), ...(isCommit(request) ? { digest: oneOf(random, ["", "sha256:", "none"]) } : {}) },
  ]),
  written("a commit of another size", (request, random) => {
    const { offset, digest } = hollow(request);
    return [{ offset: isCommit(request) ? offset + BigInt(between(random, 1, 9)) : offset, digest }];
  }),
  {
    ...written("a commit of which nothing is there afterwards", (request) => [hollow(request)]),
    ask: async ({ client, call, random }) => {
      const bytes = bytesFrom(random, between(random, 1, 60_000));
      const descriptor = await writeBlob(client.content, bytes, { mediaType: MEDIA_TYPE }, call);
      await readBlob(client.content, descriptor, call);
      return "made up";
    },
  },
  written("a commit in the middle of which it ends", (request, random) => {
    if (!isCommit(request)) return [hollow(request)];
    return oneOf(random, [
      () => [],
      () => Promise.reject(new ConnectError("gone", Code.Unavailable)),
      () => Promise.reject(new ConnectError("stopped", Code.Canceled)),
      () => Promise.reject(new Error("a bug")),
    ])();
  }),
  written(
    "bytes that are there already, and are not",
    () => Promise.reject(new ConnectError("already exists", Code.AlreadyExists)),
    {
      info: () => {
        throw new ConnectError("not found", Code.NotFound);
      },
    },
  ),
  written(
    "bytes that are there already, and are others",
    () => Promise.reject(new ConnectError("already exists", Code.AlreadyExists)),
    {
      info: () => ({ info: { digest: digestOf(Buffer.from("other")), size: 5n } }),
    },
  ),
  {
    ...written("answers to a commit without end", () => []),
    deadlineMs: 200,
    harmless: "the first answer says all; the rest is dropped until the call's deadline",
    ask: async ({ client, call, random }) => {
      await writeBlob(client.content, bytesFrom(random, between(random, 1, 60_000)), { mediaType: MEDIA_TYPE }, call);
      return "true";
    },
    lie: () => ({
      content: {
        async *write(requests) {
          for await (const request of requests) {
            yield hollow(request);
            while (isCommit(request)) {
              await new Promise((resolve) => setImmediate(resolve));
              yield hollow(request);
            }
          }
        },
      },
    }),
  },
  {
    ...written("a commit that is never answered", () => []),
    deadlineMs: 100,
    lie: () => ({
      content: {
        async *write(requests, { signal }) {
          for await (const request of requests) {
            if (!isCommit(request)) yield hollow(request);
            else await new Promise((resolve) => signal.addEventListener("abort", resolve));
          }
        },
      },
    }),
  },
];
