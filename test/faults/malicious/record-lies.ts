import { digestOf } from "../../../src/oci/index.js";
import { CONTAINER } from "./honest-daemon.js";
import { type Answer, between, bytesFrom, oneOf, type Question, type ServiceLie } from "./lie.js";

const digest = digestOf(Buffer.from("any"));
const target = { mediaType: "any", digest, size: 3n };
const ABSURD: readonly bigint[] = [2n ** 63n - 1n, 10n ** 15n, 8_640_000_000_001n, 2n ** 53n];

async function everyImage({ client, call }: Question): Promise<Answer> {
  for await (const _ of client.images.list([], call));
  return "made up";
}

async function everyContainer({ client, call }: Question): Promise<Answer> {
  for await (const _ of client.containers.records([], call));
  return "made up";
}

/** A label map that would be more than data to careless code. */
function crooked(random: () => number): Record<string, string> {
  const labels: [string, string][] = [
    ["__proto__", "polluted"],
    ["constructor", "x"],
    ["toString", "x"],
  ];
  for (let nth = between(random, 0, 20_000); nth > 0; nth--) labels.push([`key-${nth}`, "value"]);
  return Object.fromEntries(labels);
}

function isUnharmed(labels: Readonly<Record<string, string>>): boolean {
  return Object.hasOwn(labels, "__proto__") && Reflect.get({}, "polluted") === undefined;
}

/** What is wrong with records of images, containers and leases. */
export const recordLies: readonly ServiceLie[] = [
  {
    name: "an image of another name",
    lie: (_, random) => {
      const image = { name: `other-${between(random, 0, 99)}`, target };
      return { images: { get: () => ({ image }), create: () => ({ image }), update: () => ({ image }) } };
    },
    ask: async ({ client, call, random }) => {
      await oneOf(random, [
        () => client.images.get("wanted", call),
        () => client.images.create("wanted", { ...target, size: 3 }, call),
        () => client.images.update("wanted", { labels: { a: "b" } }, call),
      ])();
      return "made up";
    },
  },
  {
    name: "an image that was made to point at something else",
    lie: (_, random) => {
      const other = { ...target, digest: digestOf(bytesFrom(random, 9)) };
      return { images: { create: ({ image }) => ({ image: { name: image?.name ?? "", target: other } }) } };
    },
    ask: async ({ client, call }) => {
      await client.images.create("wanted", { ...target, size: 3 }, call);
      return "made up";
    },
  },
  {
    name: "an image without a target, or with none that can be",
    lie: (_, random) => {
      const wrong = oneOf(random, [
        {},
        { target: { ...target, digest: "latest" } },
        { target: { ...target, size: 2n ** 63n - 1n } },
        { target: { ...target, size: -1n } },
      ]);
      return { images: { list: () => ({ images: [{ name: "any", ...wrong }] }) } };
    },
    ask: everyImage,
  },
  {
    name: "an image of no such time",
    lie: (_, random) => ({
      images: {
        list: () => ({
          images: [{ name: "any", target, createdAt: { seconds: oneOf(random, ABSURD), nanos: 2 ** 31 - 1 } }],
        }),
      },
    }),
    ask: everyImage,
  },
  {
    name: "a container of another id",
    lie: (_, random) => {
      const container = { id: `other-${between(random, 0, 99)}` };
      return { containers: { get: () => ({ container }), update: () => ({ container }) } };
    },
    ask: async ({ client, call, random }) => {
      await oneOf(random, [
        () => client.containers.get(CONTAINER, call),
        () => client.containers.info(CONTAINER, call),
        () => client.containers.update(CONTAINER, { labels: { a: "b" } }, call),
      ])();
      return "made up";
    },
  },
  {
    name: "a container of no such time",
    lie: (_, random) => ({
      containers: {
        list: () => ({ containers: [{ id: "any", updatedAt: { seconds: oneOf(random, ABSURD), nanos: 0 } }] }),
      },
    }),
    ask: everyContainer,
  },
  {
    name: "labels named __proto__, and thousands of others",
    harmless: "labels are data: they are handed on as they are, and nothing else changes",
    lie: (_, random) => ({ containers: { list: () => ({ containers: [{ id: "any", labels: crooked(random) }] }) } }),
    ask: async ({ client, call }) => {
      for await (const { labels } of client.containers.records([], call)) if (!isUnharmed(labels)) return "made up";
      return "true";
    },
  },
  {
    name: "a spec that is none",
    lie: (daemon, random) => {
      const value = oneOf(random, ["", "null", "[]", '{"process":7}', '{"linux":[]}', "[".repeat(9000)]);
      const typeUrl = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
      daemon.containers.set(CONTAINER, { id: CONTAINER, spec: { typeUrl, value: Buffer.from(value) } });
      return {};
    },
    ask: async ({ client, call }) => {
      await (await client.containers.get(CONTAINER, call)).spec(call);
      return "made up";
    },
  },
  {
    name: "a lease of another id",
    lie: (_, random) => ({ leases: { create: () => ({ lease: { id: `other-${between(random, 0, 99)}` } }) } }),
    ask: async ({ client, call }) => {
      await client.leases.create({ id: "wanted", ...call });
      return "made up";
    },
  },
  {
    name: "a lease of no name",
    lie: (_, random) => ({ leases: { create: () => (random() < 0.5 ? {} : { lease: { id: "" } }) } }),
    ask: async ({ client, call }) => {
      await client.leases.create(call);
      return "made up";
    },
  },
  {
    name: "a lease of no such time",
    lie: (_, random) => ({
      leases: { list: () => ({ leases: [{ id: "any", createdAt: { seconds: oneOf(random, ABSURD), nanos: 0 } }] }) },
    }),
    ask: async ({ client, call }) => {
      for await (const _ of client.leases.list([], call));
      return "made up";
    },
  },
  {
    name: "a task that stands where none can",
    harmless: "it is unknown where it stands, and that is what is said",
    lie: (_, random) => ({
      tasks: { get: () => ({ process: { pid: 2 ** 32 - 1, status: between(random, 6, 2 ** 31 - 1) as 0 } }) },
    }),
    ask: async ({ client, call }) => {
      const task = await (await client.containers.get(CONTAINER, call)).task(call);
      return (await task.status(call)).status === "unknown" ? "true" : "made up";
    },
  },
  {
    name: "a task that has ended, and whose state never changes",
    deadlineMs: 150,
    lie: () => ({
      tasks: {
        kill: () => ({}),
        wait: (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve({}))),
      },
    }),
    ask: async ({ client, call }) => {
      await (await (await client.containers.get(CONTAINER, call)).task(call)).delete({ ...call, force: true });
      return "made up";
    },
  },
];
