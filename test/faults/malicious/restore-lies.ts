import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { CheckpointMediaType } from "../../../src/checkpoint/media-types.js";
import { writeBlob } from "../../../src/content/index.js";
import { type Descriptor, digestOf, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST } from "../../../src/oci/index.js";
import type { HonestDaemon } from "./honest-daemon.js";
import { between, bytesFrom, type Implementations, oneOf, type ServiceLie } from "./lie.js";

const REF = "frozen";

interface Made {
  readonly parts?: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly lies?: Implementations;
}

/** Restores from an image that somebody made up. */
function restored(
  name: string,
  make: (daemon: HonestDaemon, random: () => number) => Promise<Made> | Made,
): ServiceLie {
  return {
    name,
    lie: async (daemon, random) => {
      const { parts = await daemon.dump(), annotations = {}, lies = {} } = await make(daemon, random);
      const document = {
        schemaVersion: 2,
        manifests: parts,
        annotations: {
          "org.opencontainers.image.ref.name": "",
          "io.containerd.checkpoint.runtime": "x",
          ...annotations,
        },
      };
      const target = await writeBlob(daemon.store, Buffer.from(JSON.stringify(document)), {
        mediaType: MEDIA_TYPE_INDEX,
      });
      const image = { name: REF, target: { ...target, size: BigInt(target.size) } };
      return {
        ...lies,
        images: { get: ({ name: wanted }) => ({ image: wanted === REF ? image : none() }), ...lies.images },
      };
    },
    ask: async ({ client, call }) => {
      await client.restore("copy", REF, [], call);
      return "made up";
    },
  };
}

function none(): never {
  throw new ConnectError("not found", Code.NotFound);
}

/** A part that is what its digest says, and garbage. */
function garbage(daemon: HonestDaemon, mediaType: string, random: () => number): Promise<Descriptor> {
  const bytes = Buffer.concat([Buffer.of(oneOf(random, [7, 6])), bytesFrom(random, between(random, 0, 3000))]);
  return writeBlob(daemon.store, bytes, { mediaType });
}

/** What is wrong with a checkpoint that is restored. */
export const restoreLies: readonly ServiceLie[] = [
  restored("a spec that is garbage", async (daemon, random) => {
    const [task] = await daemon.dump();
    return {
      parts: [task, await garbage(daemon, CheckpointMediaType.spec, random)].filter((one) => one !== undefined),
    };
  }),
  restored("a spec in an envelope of another kind", async (daemon, random) => {
    const [task] = await daemon.dump();
    const any = create(AnySchema, { typeUrl: oneOf(random, ["", "any", "__proto__"]), value: bytesFrom(random, 99) });
    const spec = await writeBlob(daemon.store, toBinary(AnySchema, any), { mediaType: CheckpointMediaType.spec });
    return { parts: [task, spec].filter((one) => one !== undefined) };
  }),
  restored("criu options that are garbage", async (daemon, random) => ({
    parts: [...(await daemon.dump()), await garbage(daemon, CheckpointMediaType.criuOptions, random)],
  })),
  restored("criu options whose content is garbage", async (daemon, random) => {
    const value = Buffer.concat([Buffer.of(7), bytesFrom(random, 20)]);
    const any = create(AnySchema, { typeUrl: "containerd.runc.v1.CheckpointOptions", value });
    const options = await writeBlob(daemon.store, toBinary(AnySchema, any), {
      mediaType: CheckpointMediaType.criuOptions,
    });
    return { parts: [...(await daemon.dump()), options] };
  }),
  restored("runtime options that are garbage", async (daemon, random) => ({
    parts: [...(await daemon.dump()), await garbage(daemon, CheckpointMediaType.runtimeOptions, random)],
    annotations: { "io.containerd.checkpoint.runtime": "io.containerd.runc.v2" },
  })),
  restored("a dump that is no archive", async (daemon, random) => {
    const [, spec] = await daemon.dump();
    const task = await writeBlob(daemon.store, bytesFrom(random, between(random, 600, 60_000)), {
      mediaType: CheckpointMediaType.task,
    });
    return { parts: [task, spec].filter((one) => one !== undefined) };
  }),
  restored("a memory that is cut short", async (daemon, random) => {
    const [task, spec] = await daemon.dump();
    const longer = task && { ...task, size: task.size + between(random, 1, 9999) };
    return { parts: [longer, spec].filter((one) => one !== undefined) };
  }),
  restored("a checkpoint of two memories", async (daemon, random) => {
    const other = await writeBlob(daemon.store, bytesFrom(random, 2048), { mediaType: CheckpointMediaType.task });
    return { parts: [...(await daemon.dump()), other] };
  }),
  restored("another image in the base image's place", async (daemon, random) => {
    const digest = digestOf(bytesFrom(random, 9));
    const config = await writeBlob(
      daemon.store,
      Buffer.from(
        JSON.stringify({
          architecture: "amd64",
          os: "linux",
          rootfs: { type: "layers", diff_ids: [digestOf(Buffer.of(1))] },
        }),
      ),
      { mediaType: "application/vnd.oci.image.config.v1+json" },
    );
    const manifest = await writeBlob(
      daemon.store,
      Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers: [] })),
      {
        mediaType: MEDIA_TYPE_MANIFEST,
      },
    );
    const other = { name: "other", target: { ...manifest, size: BigInt(manifest.size) } };
    return {
      annotations: {
        "org.opencontainers.image.ref.name": "base",
        "containerd-client.checkpoint.image.digest": digest,
      },
      lies: {
        images: { list: () => ({ images: [other] }) },
        snapshots: {
          stat: ({ key }) => {
            if (key === "copy") return none();
            return { info: { name: key, kind: 3 } };
          },
          prepare: () => ({ mounts: [] }),
        },
        introspection: { plugins: () => ({ plugins: [{ type: "io.containerd.snapshotter.v1", id: "overlayfs" }] }) },
      },
    };
  }),
  restored("a container made under another id", (_, random) => ({
    lies: { containers: { create: () => ({ container: { id: `other-${between(random, 0, 99)}` } }) } },
  })),
];
