import { randomBytes } from "node:crypto";
import type { LeaseRef } from "../../src/call-options.js";
import { readBlob, writeBlob } from "../../src/content/index.js";
import type { Client } from "../../src/index.js";
import {
  type Descriptor,
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_LAYER,
  MEDIA_TYPE_MANIFEST,
} from "../../src/oci/index.js";

export const PREFIX = "cut:";
export const DEADLINE_MS = 1_000;
export const BLOB_BYTES: number = 96 * 1024;
export const MEDIA_TYPE = "application/octet-stream";

/** Something that is asked over a connection which is cut meanwhile. */
export interface Call {
  readonly name: string;
  /** Whether who connects again is let through. Default: not, until the call is over. */
  readonly mends?: boolean;
  /** Makes the call; resolves to a look, over a connection nobody cuts, whether its success is true. */
  make(client: Client): Promise<(witness: Client) => Promise<boolean>>;
}

/** An archive with one image in it. */
interface Archive {
  readonly name: string;
  readonly target: Descriptor;
  readonly bytes: Uint8Array;
}

/** Makes one of an image nobody would run. */
export async function smallArchive(client: Client, lease: LeaseRef): Promise<Archive> {
  const name = `${PREFIX}${randomBytes(6).toString("hex")}`;
  const layer = await writeBlob(client.content, randomBytes(20_000), { mediaType: MEDIA_TYPE_LAYER }, { lease });
  const { arch: architecture, platform: os } = process;
  const config = Buffer.from(
    JSON.stringify({
      os,
      architecture: architecture === "x64" ? "amd64" : architecture,
      rootfs: { type: "layers", diff_ids: [layer.digest] },
    }),
  );
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_MANIFEST,
    config: await writeBlob(client.content, config, { mediaType: MEDIA_TYPE_IMAGE_CONFIG }, { lease }),
    layers: [layer],
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const target = await writeBlob(client.content, bytes, { mediaType: MEDIA_TYPE_MANIFEST }, { lease });
  await client.images.create(name, target);
  const chunks: Uint8Array[] = [];
  for await (const chunk of client.images.export(name, { platforms: "all" })) chunks.push(chunk);
  await client.images.delete(name);
  return { name, target, bytes: Buffer.concat(chunks) };
}

/** The calls that are cut, on a blob that is there, and on an archive. */
export function callsOn(blob: Descriptor, lease: LeaseRef, archive: Archive): readonly Call[] {
  const call = { timeoutMs: DEADLINE_MS };
  let serial = 0;
  return [
    {
      name: "version",
      make: async (client) => {
        const { version } = await client.version(call);
        return async (witness) => (await witness.version()).version === version;
      },
    },
    {
      name: "read",
      make: async (client) => {
        const bytes = await readBlob(client.content, blob, call);
        return async (witness) => Buffer.compare(await readBlob(witness.content, blob), bytes) === 0;
      },
    },
    {
      name: "list",
      make: async (client) => {
        const digests: string[] = [];
        for await (const { digest } of client.content.list([], call)) digests.push(digest);
        return async () => digests.includes(blob.digest);
      },
    },
    {
      name: "write",
      make: async (client) => {
        const written = await writeBlob(
          client.content,
          randomBytes(BLOB_BYTES),
          { mediaType: MEDIA_TYPE },
          { ...call, lease },
        );
        return async (witness) => {
          const { size } = await witness.content.info(written.digest);
          await witness.content.delete(written.digest);
          return size === BLOB_BYTES;
        };
      },
    },
    {
      name: "create image",
      make: async (client) => {
        const name = `${PREFIX}${process.pid}-${++serial}`;
        await client.images.create(name, blob, call);
        return async (witness) => {
          const { target } = await witness.images.get(name);
          await witness.images.delete(name);
          return target.digest === blob.digest;
        };
      },
    },
    {
      name: "import",
      mends: true,
      make: async (client) => {
        const chunks = (async function* () {
          yield archive.bytes;
        })();
        await client.images.import(chunks, { ...call, platforms: "all", overwrite: true });
        return async (witness) => {
          const image = await witness.images.get(archive.name);
          const { config } = await image.manifest();
          await witness.content.info(config.digest);
          await witness.images.delete(archive.name);
          return image.target.digest === archive.target.digest;
        };
      },
    },
  ];
}
