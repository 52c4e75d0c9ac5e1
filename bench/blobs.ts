import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeBlob } from "containerd-client/content";
import type { Lease } from "containerd-client/leases";
import type { Digest } from "containerd-client/oci";
import type { Bench } from "./bench.js";

const MIB = 1024 * 1024;

/** Bytes in a file, and what they are. */
export interface BlobFile {
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
}

/** Makes a file that hashes to what no other does. */
export async function blobFile(bench: Bench, mebibytes: number): Promise<BlobFile> {
  const path = join(bench.directory, `blob-${randomBytes(6).toString("hex")}`);
  const chunk = randomBytes(MIB);
  const hash = createHash("sha256");
  await using file = await open(path, "wx");
  for (let written = 0; written < mebibytes; written += 1) {
    chunk.writeUInt32LE(written);
    hash.update(chunk);
    await file.write(chunk);
  }
  return { path, digest: `sha256:${hash.digest("hex")}`, size: mebibytes * MIB };
}

/** Stores such a file at the daemon while it is used, and removes it. */
export async function withBlob(bench: Bench, mebibytes: number, use: (blob: BlobFile) => Promise<void>): Promise<void> {
  const blob = await blobFile(bench, mebibytes);
  await withLease(bench, async (lease) => {
    const source = createReadStream(blob.path, { highWaterMark: MIB });
    await writeBlob(bench.client.content, source, { mediaType: "application/octet-stream" }, { lease });
    await rm(blob.path);
    await use(blob);
  });
}

/** Has a lease while it is used; what it alone held is gone afterwards. */
export async function withLease(bench: Bench, use: (lease: Lease) => Promise<void>): Promise<void> {
  const lease = await bench.client.leases.create();
  try {
    await use(lease);
  } finally {
    await bench.client.leases.delete(lease, { sync: true });
  }
}

/** Where the daemon keeps a blob. */
export function storedAt(bench: Bench, digest: Digest): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return join(bench.daemon.root, "io.containerd.content.v1.content", "blobs", algorithm, hex);
}

/** Sees to it that a blob has to be written again: nothing of it is left. */
export async function forget(bench: Bench, digest: Digest): Promise<void> {
  await bench.collect();
  if (existsSync(storedAt(bench, digest))) throw new Error(`${digest} is still there: it would not be written again`);
}
