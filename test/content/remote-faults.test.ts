import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import {
  Content,
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponseSchema,
} from "../../src/api/services/content/v1/content_pb.js";
import { RemoteStore } from "../../src/content/remote.js";
import { isContainerdError, isDataLoss, isFailedPrecondition, isUnavailable } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { Rpc } from "../../src/rpc/rpc.js";

type Answer = MessageInitShape<typeof WriteContentResponseSchema>;

/** A store at a daemon that does what it is told here. */
function storeOf(service: Partial<ServiceImpl<typeof Content>>): RemoteStore {
  return new RemoteStore(
    new Rpc(
      createRouterTransport(({ service: add }) => add(Content, service)),
      "faults",
    ),
  );
}

/** A store at a daemon that answers each write as `answer` says. */
function writing(answer: (request: WriteContentRequest, at: number) => Answer | "end" | Promise<Answer>): {
  readonly store: RemoteStore;
  readonly seen: WriteContentRequest[];
} {
  const seen: WriteContentRequest[] = [];
  const store = storeOf({
    async *write(requests) {
      for await (const request of requests) {
        seen.push(request);
        const reply = await answer(request, seen.length);
        if (reply === "end") return;
        yield reply;
      }
    },
  });
  return { store, seen };
}

const after = ({ offset, data }: WriteContentRequest): bigint => offset + BigInt(data.length);
const bytes = Buffer.from("some bytes");
const digest = digestOf(bytes);
const target = { digest, size: bytes.length };

async function read(store: RemoteStore, options = {}): Promise<Buffer> {
  const got: Uint8Array[] = [];
  for await (const chunk of store.read(target, options)) got.push(chunk);
  return Buffer.concat(got);
}

describe("a remote store believes no daemon", () => {
  it("when it reads", async () => {
    const sending = (...chunks: string[]) =>
      storeOf({
        async *read() {
          for (const chunk of chunks) yield { data: Buffer.from(chunk) };
        },
      });
    assert.deepEqual(await read(sending("some ", "", "bytes")), bytes);
    await assert.rejects(read(sending("some ", "Bytes")), isDataLoss);
    await assert.rejects(read(sending("some ")), isDataLoss);
    await assert.rejects(read(sending()), isDataLoss);
    const got: string[] = [];
    await assert.rejects(async () => {
      for await (const chunk of sending("some ", "bytes", "!").read(target)) got.push(Buffer.from(chunk).toString());
    }, isDataLoss);
    assert.equal(got.join(""), "some bytes");
    await assert.rejects(read(sending("ome", " "), { offset: 1, length: 3 }), isDataLoss);
    await assert.rejects(storeOf({ info: () => ({}) }).info(digest), isContainerdError);
    await assert.rejects(storeOf({ info: () => ({ info: { digest, size: -1n } }) }).info(digest), isDataLoss);
    await assert.rejects(storeOf({ status: () => ({}) }).status("r"), isContainerdError);
  });

  it("when it says where an ingest is", async () => {
    const { store, seen } = writing((request, at) => ({ offset: after(request) + (at === 3 ? 1n : 0n) }));
    const writer = await store.writer("r", target);
    await assert.rejects(async () => {
      for (let at = 0; at < 20; at++) await writer.write(bytes);
      await writer.commit();
    }, isDataLoss);
    await writer[Symbol.asyncDispose]();
    assert.ok(seen.every(({ action }) => action !== WriteAction.COMMIT));
  });

  it("when it says what it stored", async () => {
    const other = digestOf(Buffer.from("other"));
    for (const [stored, size, is] of [
      [other, 0n, isDataLoss],
      [digest, 1n, isDataLoss],
      ["", 0n, isContainerdError],
    ] as const) {
      const { store } = writing((request) => ({
        offset: after(request) + (request.action === WriteAction.COMMIT ? size : 0n),
        digest: request.action === WriteAction.COMMIT ? stored : digest,
      }));
      const writer = await store.writer("r", { expected: digest });
      await writer.write(bytes);
      await assert.rejects(writer.commit(), is);
      await assert.rejects(store.put("r", bytes, { expected: digest }), is);
    }
  });

  it("when it says that the bytes are there already", async () => {
    const service: Partial<ServiceImpl<typeof Content>> = {
      write: () => {
        throw new ConnectError("there already", Code.AlreadyExists);
      },
      info: () => ({ info: { digest, size: 9n } }),
    };
    await assert.rejects(storeOf(service).put("r", bytes, { expected: digest }), isDataLoss);
  });
});

describe("a remote writer", () => {
  it("names offset, size and digest in what it sends", async () => {
    const { store, seen } = writing((request) => ({ offset: after(request), digest }));
    const writer = await store.writer("r", { size: bytes.length, expected: digest });
    await writer.write(bytes.subarray(0, 4));
    await writer.write(bytes.subarray(4));
    await writer.commit({ labels: { a: "b" } });
    assert.deepEqual(
      seen.map(({ action, ref, offset, total, expected }) => [action, ref, offset, total, expected]),
      [
        [WriteAction.STAT, "r", 0n, 10n, digest],
        [WriteAction.WRITE, "r", 0n, 0n, ""],
        [WriteAction.WRITE, "r", 4n, 0n, ""],
        [WriteAction.COMMIT, "r", 10n, 10n, digest],
      ],
    );
    assert.deepEqual(seen[3]?.labels, { a: "b" });
  });

  it("is a few messages of at most 2 MiB ahead of the answers, and not more", async () => {
    const taken: WriteContentRequest[] = [];
    let mayAnswer: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      mayAnswer = resolve;
    });
    const store = storeOf({
      async *write(requests) {
        const reading = (async () => {
          for await (const request of requests) taken.push(request);
        })();
        for (let at = 0; at < 8; at++) {
          while (taken[at] === undefined) await new Promise((resolve) => setImmediate(resolve));
          if (at === 1) await held;
          const { action, offset, data } = taken[at] as WriteContentRequest;
          yield { offset: offset + BigInt(data.length), digest: action === WriteAction.COMMIT ? digest : "" };
        }
        await reading;
      },
    });
    const writer = await store.writer("r");
    const writes = writer.write(Buffer.alloc(12 * 1024 * 1024));
    for (let at = 0; at < 100; at++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(taken.length > 2 && taken.length <= 5, `${taken.length} messages`);
    mayAnswer();
    await writes;
    await writer.commit({ expected: digest });
    assert.equal(taken.length, 8);
    assert.ok(taken.every(({ data }) => data.length <= 2 * 1024 * 1024));
  });

  it("gathers small writes while the daemon is busy, in memory of its own, and holds none back when it is not", async () => {
    let mayAnswer: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      mayAnswer = resolve;
    });
    const { store, seen } = writing(async (request, at) => {
      if (at === 2) await held;
      return { offset: after(request), digest };
    });
    const writer = await store.writer("r");
    const chunk = Buffer.alloc(4);
    for (const part of ["some", " byt", "es a", "nd m", "ore."]) {
      chunk.write(part);
      await writer.write(chunk);
    }
    assert.equal(writer.offset, 20);
    mayAnswer();
    // Nobody writes any more, and nobody commits.
    while (seen.length < 3) await new Promise((resolve) => setImmediate(resolve));
    await writer.commit({ expected: digest });
    const written = seen.filter(({ action }) => action === WriteAction.WRITE);
    assert.deepEqual(
      written.map(({ data, offset }) => [Buffer.from(data).toString(), offset]),
      [
        ["some", 0n],
        [" bytes and more.", 4n],
      ],
    );
  });

  it("forgets what it gathered when it starts over", async () => {
    const { store, seen } = writing((request) => ({ offset: after(request), digest }));
    const writer = await store.writer("r");
    await writer.write(Buffer.from("some"));
    await writer.write(Buffer.from("thing else"));
    await writer.truncate(0);
    assert.equal(writer.offset, 0);
    await writer.write(bytes);
    await writer.commit({ expected: digest });
    assert.deepEqual(
      seen.slice(2).map(({ data, offset }) => [Buffer.from(data).toString(), offset]),
      [
        ["", 0n],
        ["some bytes", 0n],
        ["", 10n],
      ],
    );
  });

  it("fails when the daemon ends the call, in whatever it does", async () => {
    const ended = writing((_, at) => (at > 2 ? "end" : { offset: 0n }));
    const writer = await ended.store.writer("r");
    await assert.rejects(async () => {
      for (let at = 0; at < 20; at++) await writer.write(Buffer.alloc(1024 * 1024));
    }, isContainerdError);
    await assert.rejects(writer.commit(), isContainerdError);
    await writer[Symbol.asyncDispose]();
    await assert.rejects(writing(() => "end").store.writer("r"), isContainerdError);

    const lost = writing((_, at) =>
      at === 1 ? { offset: 0n } : Promise.reject(new ConnectError("no space left", Code.Unavailable)),
    );
    const losing = await lost.store.writer("r");
    await assert.rejects(async () => {
      for (let at = 0; at < 20; at++) await losing.write(Buffer.alloc(1024 * 1024));
    }, isUnavailable);
    await assert.rejects(losing.commit(), isUnavailable);
    await assert.rejects(losing.write(bytes), isFailedPrecondition);
  });

  it("ends the call at the daemon when it is disposed", async () => {
    let ended = false;
    const store = storeOf({
      async *write(requests) {
        for await (const request of requests) yield { offset: after(request) };
        ended = true;
      },
    });
    {
      await using writer = await store.writer("r");
      await writer.write(bytes);
    }
    assert.equal(ended, true);
  });
});

describe("a remote reader", () => {
  it("ends the call at the daemon when the loop is left", async () => {
    let signal: AbortSignal | undefined;
    const store = storeOf({
      async *read(_, context) {
        signal = context.signal;
        for (;;) yield { data: new Uint8Array(1024) };
      },
    });
    for await (const chunk of store.read({ digest })) if (chunk.length > 0) break;
    while (signal?.aborted !== true) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(signal.aborted);
  });
});
