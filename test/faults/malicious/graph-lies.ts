import { type MemoryStore, walk, writeBlob } from "../../../src/content/index.js";
import {
  type Descriptor,
  type Digest,
  digestOf,
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_LAYER,
  MEDIA_TYPE_MANIFEST,
} from "../../../src/oci/index.js";
import type { HonestDaemon } from "./honest-daemon.js";
import { type Answer, between, bytesFrom, oneOf, type Question, type ServiceLie } from "./lie.js";

const IMAGE = "image";

/** Makes the graph, and says where it begins. */
type Graph = (store: MemoryStore, random: () => number) => Promise<Descriptor>;

const some = (digest: Digest = digestOf(Buffer.from("some"))) => ({ mediaType: MEDIA_TYPE_MANIFEST, digest, size: 4 });
const index = (manifests: readonly object[], more: object = {}) => ({ schemaVersion: 2, manifests, ...more });

function put(store: MemoryStore, document: unknown, mediaType: string = MEDIA_TYPE_INDEX): Promise<Descriptor> {
  return writeBlob(store, Buffer.from(typeof document === "string" ? document : JSON.stringify(document)), {
    mediaType,
  });
}

/** A digest of nothing, cheaply. */
function distinct(nth: number): Digest {
  return `sha256:${nth.toString(16).padStart(64, "0")}` as Digest;
}

async function useImage({ client, call, random }: Question): Promise<Answer> {
  const image = await client.images.get(IMAGE, call);
  await oneOf(random, [
    async () => {
      for await (const _ of walk(client.content, image.target, call));
    },
    () => image.manifest(call),
    () => image.config(call),
    () => image.rootFS(call),
    () => client.restore("copy", IMAGE, [], call),
  ])();
  return "made up";
}

function graph(name: string, make: Graph, more: Partial<ServiceLie> = {}): ServiceLie {
  return {
    name,
    lie: async (daemon: HonestDaemon, random) => {
      const { mediaType, digest, size } = await make(daemon.store, random);
      const target = { mediaType, digest, size: BigInt(size) };
      return { images: { get: () => ({ image: { name: IMAGE, target } }) } };
    },
    ask: useImage,
    ...more,
  };
}

/** Documents that are what their digests say, and a trap all the same. */
export const graphLies: readonly ServiceLie[] = [
  graph(
    "an index of 27 000 manifests that are not there",
    (store) =>
      put(
        store,
        index(Array.from({ length: 27_000 }, (_, nth) => ({ ...some(distinct(nth)), mediaType: MEDIA_TYPE_MANIFEST }))),
      ),
    { ask: walkIt, costly: true },
  ),
  graph(
    "an index of 100 000 manifests",
    (store) => put(store, index(Array.from({ length: 100_000 }, (_, nth) => some(distinct(nth))))),
    { costly: true },
  ),
  graph("an index larger than documents may be", async (store, random) =>
    put(store, index([], { annotations: { pad: "x".repeat(between(random, 4, 7) * 1024 * 1024) } })),
  ),
  graph("an index of many gigabytes", async (_, random) => ({
    mediaType: MEDIA_TYPE_INDEX,
    digest: digestOf(Buffer.from("large")),
    size: between(random, 1, 1e6) * 1024 ** 3,
  })),
  {
    ...graph("an index that lists itself", async () => ({ ...some(), mediaType: MEDIA_TYPE_INDEX })),
    lie: (_, random) => {
      const digest = digestOf(bytesFrom(random, 32));
      const itself = { mediaType: MEDIA_TYPE_INDEX, digest, size: 0 };
      while (itself.size !== JSON.stringify(index([itself])).length)
        itself.size = JSON.stringify(index([itself])).length;
      return {
        images: { get: () => ({ image: { name: IMAGE, target: { ...itself, size: BigInt(itself.size) } } }) },
        content: {
          async *read() {
            yield { data: Buffer.from(JSON.stringify(index([itself]))) };
          },
        },
      };
    },
  },
  graph("an index in an index, and so on", async (store, random) => {
    let root = await put(store, index([some()]));
    for (let depth = between(random, 34, 80); depth > 0; depth--) root = await put(store, index([root]));
    return root;
  }),
  graph("the same index many times, in each of which the same one is many times", async (store, random) => {
    let root = await put(store, index([some()]));
    for (let depth = between(random, 4, 40); depth > 0; depth--) {
      root = await put(store, index(Array.from({ length: between(random, 300, 3000) }, () => root)));
    }
    return root;
  }),
  graph(
    "full indexes in full indexes",
    async (store, random) => {
      let root = await put(store, index([some()]));
      for (let depth = between(random, 5, 7); depth > 0; depth--) {
        const others = Array.from({ length: 27_000 }, (_, nth) => some(distinct(depth * 100_000 + nth)));
        root = await put(store, index([root, ...others]));
      }
      return root;
    },
    { ask: walkIt, deadlineMs: 10_000, costly: true },
  ),
  graph("a document nested deeper than is read", (store, random) => {
    const depth = between(random, 600, 200_000);
    return put(store, `{"schemaVersion":2,"manifests":[],"x":${"[".repeat(depth)}${"]".repeat(depth)}}`);
  }),
  graph("a document that is index and manifest", (store, random) =>
    put(
      store,
      index([some()], oneOf(random, [{ layers: [] }, { config: some() }, { Layers: [some()] }, { fsLayers: [] }])),
    ),
  ),
  graph("a document that calls itself something else", (store, random) =>
    put(store, index([some()], { mediaType: oneOf(random, [MEDIA_TYPE_MANIFEST, "text/html", "__proto__"]) })),
  ),
  graph("a document that is no JSON, or no UTF-8", async (store, random) => {
    const text = oneOf(random, ["", "null", "[]", "{", '{"schemaVersion":2,"manifests":', "\ufeff{}", "true", "1e999"]);
    const bytes =
      random() < 0.3
        ? Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}')])
        : Buffer.from(text);
    return writeBlob(store, bytes, { mediaType: MEDIA_TYPE_INDEX });
  }),
  graph("descriptors that are none", (store, random) =>
    put(
      store,
      index([
        oneOf(random, [
          null,
          [],
          { ...some(), size: -1 },
          { ...some(), size: 1e300 },
          { ...some(), size: "4" },
          { ...some(), digest: "sha256:short" },
          { ...some(), digest: 5 },
          { ...some(), annotations: { a: {} } },
          { ...some(), platform: 7 },
          JSON.parse('{"__proto__":{"mediaType":"any"}}'),
        ]) as object,
      ]),
    ),
  ),
  graph(
    "a config that is none",
    async (store, random) => {
      const config = await put(
        store,
        oneOf(random, [
          {},
          { rootfs: null },
          { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [7] } },
          { architecture: {}, os: [], rootfs: { type: "layers", diff_ids: ["sha256:x"] } },
          "[]",
        ]),
        MEDIA_TYPE_IMAGE_CONFIG,
      );
      return put(
        store,
        { schemaVersion: 2, config, layers: [{ ...some(), mediaType: MEDIA_TYPE_LAYER }] },
        MEDIA_TYPE_MANIFEST,
      );
    },
    { ask: configOf },
  ),
];

async function walkIt({ client, call }: Question): Promise<Answer> {
  const image = await client.images.get(IMAGE, call);
  for await (const _ of walk(client.content, image.target, call));
  return "made up";
}

async function configOf({ client, call, random }: Question): Promise<Answer> {
  const image = await client.images.get(IMAGE, call);
  await (random() < 0.5 ? image.config(call) : image.rootFS(call));
  return "made up";
}
