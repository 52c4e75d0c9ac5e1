import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { Status } from "../../../src/api/types/task/task_pb.js";
import { DeadlineExceededError, withCheckpointTaskExit } from "../../../src/index.js";
import { digestOf } from "../../../src/oci/index.js";
import { CONTAINER, type HonestDaemon } from "./honest-daemon.js";
import { type Answer, between, bytesFrom, type Implementations, oneOf, type Question, type ServiceLie } from "./lie.js";

const REF = "frozen";

async function checkpoint({ client, call }: Question): Promise<Answer> {
  const container = await client.containers.get(CONTAINER, call);
  await container.checkpoint(REF, [], call);
  return "made up";
}

/** A checkpoint with a daemon that lies about one thing. */
function frozen(
  name: string,
  lie: (daemon: HonestDaemon, random: () => number) => Implementations | Promise<Implementations>,
  more: Partial<ServiceLie> = {},
): ServiceLie {
  return { name, lie, ask: checkpoint, ...more };
}

interface Part {
  mediaType: string;
  digest: string;
  size: bigint;
}

/** A dump whose parts are said to be others. */
function dumped(name: string, change: (parts: Part[], random: () => number) => readonly Part[]): ServiceLie {
  return frozen(name, (daemon, random) => ({
    tasks: {
      checkpoint: async () => {
        const parts = (await daemon.dump()).map(({ mediaType, digest, size }) => ({
          mediaType,
          digest,
          size: BigInt(size),
        }));
        return { descriptors: [...change(parts, random)] };
      },
    },
  }));
}

const fail = (message: string, code: Code) => () => {
  throw new ConnectError(message, code);
};

/** What is wrong with pausing, dumping and resuming a task, and with what keeps the dump. */
export const taskLies: readonly ServiceLie[] = [
  dumped("a dump of another size", (parts, random) => {
    const at = between(random, 0, 1);
    return parts.map((part, nth) => (nth === at ? { ...part, size: BigInt(between(random, 3000, 9000)) } : part));
  }),
  dumped("a dump that is not there", (parts, random) => {
    const at = between(random, 0, 1);
    return parts.map((part, nth) => (nth === at ? { ...part, digest: digestOf(bytesFrom(random, 9)) } : part));
  }),
  dumped("a dump of no digest", (parts, random) =>
    parts.map((part) => ({ ...part, digest: oneOf(random, ["", "sha256:", "none", `sha256:${"g".repeat(64)}`]) })),
  ),
  dumped("a dump of which nothing is said", (parts, random) => parts.slice(0, between(random, 0, 1))),
  dumped("a dump of other kinds", (parts, random) =>
    parts.map((part) => ({ ...part, mediaType: oneOf(random, ["", "text/html", "__proto__"]) })),
  ),
  dumped("a dump of which a part is said twice", (parts, random) => {
    const again = parts[between(random, 0, 1)];
    return again === undefined ? parts : [...parts, again];
  }),
  dumped("a dump of a size that no number holds", (parts, random) =>
    parts.map((part) => ({ ...part, size: oneOf(random, [-1n, 2n ** 63n - 1n, 2n ** 53n]) })),
  ),
  frozen("a dump that never ends", () => ({ tasks: { checkpoint: () => new Promise(() => {}) } }), { deadlineMs: 150 }),
  frozen("a dump that fails in all manners", (_, random) => ({
    tasks: { checkpoint: () => fail("criu failed", between(random, 1, 16))() },
  })),
  frozen("a task that is paused, but nobody says so", (daemon, random) => ({
    tasks: {
      pause: () => {
        daemon.status = Status.PAUSED;
        return fail("connection lost", oneOf(random, [Code.Unavailable, Code.Unknown, Code.Internal]))();
      },
    },
  })),
  frozen("a task that is not paused, but the daemon says it is", (daemon) => ({
    tasks: {
      pause: () => ({}),
      checkpoint: fail("it runs", Code.FailedPrecondition),
      resume: fail("cannot resume a running container", Code.FailedPrecondition),
      get: () => ({ process: { id: CONTAINER, pid: 4242, status: daemon.status } }),
    },
  })),
  frozen("a pause that is aborted each time", () => ({ tasks: { pause: fail("try again", Code.Aborted) } })),
  frozen("a task whose status never changes", (daemon) => ({
    tasks: {
      get: () => ({ process: { id: CONTAINER, pid: 4242, status: Status.RUNNING } }),
      resume: () => {
        daemon.status = Status.RUNNING;
        return {};
      },
      checkpoint: fail("it runs", Code.FailedPrecondition),
    },
  })),
  frozen("a resume that is lost a few times", (daemon, random) => {
    let lost = between(random, 1, 4);
    return {
      tasks: {
        checkpoint: fail("criu failed", Code.Internal),
        resume: () => {
          if (lost-- > 0) return fail("connection lost", Code.Unavailable)();
          daemon.status = Status.RUNNING;
          return {};
        },
      },
    };
  }),
  frozen("a lease under another id", (daemon, random) => ({
    leases: {
      create: ({ labels }) => {
        const id = `other-${between(random, 0, 99)}`;
        daemon.leases.set(id, { labels, held: new Map() });
        return { lease: { id, labels } };
      },
    },
  })),
  frozen("a lease that exists, and is not to be found", () => ({
    leases: { create: fail("already exists", Code.AlreadyExists), list: () => ({ leases: [] }) },
  })),
  frozen("a lease that can hold nothing", () => ({ leases: { addResource: fail("read-only", Code.Unknown) } }), {
    // Else the word on the lease is an ingest.
    ask: async ({ client, call }) => {
      const container = await client.containers.get(CONTAINER, call);
      await container.checkpoint(REF, [withCheckpointTaskExit()], call);
      return "made up";
    },
  }),
  frozen("a lease that can hold nothing, when a blob is written", () => ({
    content: { write: fail("read-only", Code.Unknown) },
  })),
  frozen("small blobs that are not there when they were written", (daemon) => {
    const dump = new Set<string>();
    return {
      tasks: {
        checkpoint: async () => {
          const parts = await daemon.dump();
          for (const { digest } of parts) dump.add(digest);
          return {
            descriptors: parts.map(({ mediaType, digest, size }) => ({ mediaType, digest, size: BigInt(size) })),
          };
        },
      },
      content: {
        async *write(requests) {
          for await (const { offset, data, expected } of requests) {
            yield { offset: offset + BigInt(data.length), digest: expected };
          }
        },
      },
    };
  }),
  frozen("an image that was registered as something else", (_, random) => ({
    images: {
      create: ({ image }) => {
        const { mediaType = "", size = 0n } = image?.target ?? {};
        return { image: { name: REF, target: { mediaType, size, digest: digestOf(bytesFrom(random, 9)) } } };
      },
    },
  })),
  frozen("a runtime that describes itself in garbage", (_, random) => ({
    tasks: { checkpoint: fail("criu failed", Code.Internal) },
    introspection: {
      pluginInfo: () => ({
        extra: {
          typeUrl: "containerd.types.RuntimeInfo",
          value: Buffer.concat([Buffer.of(oneOf(random, [7, 6])), bytesFrom(random, between(random, 0, 500))]),
        },
      }),
    },
  })),
  frozen(
    "a pause that lasts too long",
    (daemon) => ({
      tasks: {
        checkpoint: async () => {
          await sleep(120);
          const parts = await daemon.dump();
          return {
            descriptors: parts.map(({ mediaType, digest, size }) => ({ mediaType, digest, size: BigInt(size) })),
          };
        },
      },
    }),
    {
      ask: async ({ client, call }) => {
        const container = await client.containers.get(CONTAINER, call);
        await container.checkpoint(REF, [], { ...call, maxPausedMs: 60 });
        return "made up";
      },
    },
  ),
  {
    name: "a lease list of others' garbage",
    harmless: "leases that are not this library's are not looked into",
    lie: (_, random) => ({
      leases: {
        list: () => ({
          leases: Array.from({ length: between(random, 1, 2000) }, (_one, nth) => ({
            id: `${nth}`,
            labels: { "containerd-client.operation": "__proto__", "containerd-client.operation.owner": "[[{" },
          })),
        }),
      },
    }),
    ask: async (question) => {
      try {
        await checkpoint(question);
      } catch (reason) {
        if (reason instanceof DeadlineExceededError) throw new Error("it took too long", { cause: reason });
        throw reason;
      }
      return "true";
    },
  },
];
