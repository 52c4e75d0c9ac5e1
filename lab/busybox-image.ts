import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { CallOptions } from "../src/call-options.js";
import { writeBlob } from "../src/content/blob.js";
import type { Store } from "../src/content/store.js";
import { gcLabels } from "../src/content/walk.js";
import { isAlreadyExists } from "../src/errors.js";
import type { LeaseManager } from "../src/leases/lease.js";
import type { Descriptor } from "../src/oci/descriptor.js";
import { digestOf } from "../src/oci/digest.js";
import type { ExecutionConfig } from "../src/oci/image-config.js";
import { encodeIndex } from "../src/oci/image-index.js";
import { encodeManifest } from "../src/oci/manifest.js";
import {
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_LAYER,
  MEDIA_TYPE_LAYER_GZIP,
  MEDIA_TYPE_MANIFEST,
} from "../src/oci/media-types.js";
import { type TarFile, writeTar } from "../src/tar/tar.js";
import { busyboxPath } from "./busybox.js";

/** What is needed of a client, from this build of the library or from another. */
interface Daemon<Image> {
  readonly content: Store;
  readonly leases: LeaseManager;
  readonly images: {
    get(name: string): Promise<Image>;
    create(name: string, target: Descriptor, call?: CallOptions): Promise<Image>;
  };
}

/** How the image differs from the plain one. */
export interface BusyboxImageOptions {
  /** How to run it, beside `PATH` and a shell. */
  readonly config?: ExecutionConfig;
  /** Has busybox in it, and not only folders and accounts, which do where programs are simulated; true when absent. */
  readonly programs?: boolean;
  /** How the layers are packed; gzip when absent. */
  readonly compression?: "gzip" | "none";
  /** Members of a second layer; there is none when absent. */
  readonly secondLayer?: readonly TarFile[];
  /** Puts the manifest into an index, beside one of another machine whose content is nowhere. */
  readonly index?: boolean;
  /** Says something else than what the layers unpack to. */
  readonly diffIds?: readonly `sha256:${string}`[];
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Makes an image of a static busybox, or finds the one of that name. */
export async function busyboxImage<Image>(
  daemon: Daemon<Image>,
  name: string,
  options: BusyboxImageOptions = {},
): Promise<Image> {
  const lease = await daemon.leases.create();
  try {
    const target = await writeImage(daemon.content, options, { lease });
    return await daemon.images.create(name, target, { lease });
  } catch (reason) {
    if (isAlreadyExists(reason)) return await daemon.images.get(name);
    throw reason;
  } finally {
    await daemon.leases.delete(lease);
  }
}

async function writeImage(content: Store, options: BusyboxImageOptions, call: CallOptions): Promise<Descriptor> {
  const tars = [await tarOf([...rootFiles(), ...(options.programs === false ? [] : await busyboxFiles())])];
  if (options.secondLayer !== undefined) tars.push(await tarOf(options.secondLayer));
  const layers: Descriptor[] = [];
  for (const tar of tars) {
    layers.push(
      options.compression === "none"
        ? await writeBlob(content, tar, { mediaType: MEDIA_TYPE_LAYER }, call)
        : await writeBlob(content, gzipSync(tar), { mediaType: MEDIA_TYPE_LAYER_GZIP }, call),
    );
  }
  const platform = { os: "linux", architecture: process.arch === "x64" ? "amd64" : process.arch };
  const document = {
    ...platform,
    config: { Env: ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"], Cmd: ["sh"], ...options.config },
    rootfs: { type: "layers", diff_ids: options.diffIds ?? tars.map((tar) => digestOf(tar)) },
  };
  const config = await writeBlob(content, text(JSON.stringify(document)), { mediaType: MEDIA_TYPE_IMAGE_CONFIG }, call);
  const manifest = await writeBlob(
    content,
    encodeManifest({ schemaVersion: 2, mediaType: MEDIA_TYPE_MANIFEST, config, layers }),
    { mediaType: MEDIA_TYPE_MANIFEST, labels: gcLabels([config, ...layers]) },
    call,
  );
  if (options.index !== true) return manifest;
  const elsewhere = {
    mediaType: MEDIA_TYPE_MANIFEST,
    digest: digestOf(text("elsewhere")),
    size: 9,
    platform: { os: "linux", architecture: "s390x" },
  };
  return writeBlob(
    content,
    encodeIndex({ schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests: [elsewhere, { ...manifest, platform }] }),
    { mediaType: MEDIA_TYPE_INDEX, labels: gcLabels([manifest]) },
    call,
  );
}

async function tarOf(files: readonly TarFile[]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(files)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function rootFiles(): TarFile[] {
  const directory = (name: string, mode = 0o755, owner = 0): TarFile => ({
    name: `${name}/`,
    type: "directory",
    mode,
    uid: owner,
    gid: owner,
  });
  return [
    ...["bin", "dev", "etc", "proc", "root", "run", "sys", "home", "var"].map((name) => directory(name)),
    directory("tmp", 0o1777),
    directory("data", 0o777),
    directory("home/app", 0o755, 1000),
    { name: "etc/passwd", body: text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n") },
    { name: "etc/group", body: text("root:x:0:\napp:x:1000:\nstaff:x:50:app\nother:x:2000:\n") },
  ];
}

async function busyboxFiles(): Promise<TarFile[]> {
  const path = await busyboxPath();
  const { stdout } = await promisify(execFile)(path, ["--list"]);
  const applets = stdout.split("\n").filter((applet) => applet !== "" && applet !== "busybox");
  return [
    { name: "bin/busybox", body: await readFile(path), mode: 0o755 },
    ...applets.map((applet): TarFile => ({ name: `bin/${applet}`, type: "symlink", linkName: "busybox", mode: 0o777 })),
  ];
}
