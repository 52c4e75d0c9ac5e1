import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Daemon } from "../../lab/daemon.js";
import type { Digest } from "../../src/oci/digest.js";

/** What `ctr images ls` says of an image. */
export interface ListedImage {
  readonly type: string;
  readonly digest: string;
  readonly size: string;
  readonly platforms: readonly string[];
}

/** What `ctr images check` says of an image. */
export interface CheckedImage {
  readonly status: string;
  readonly size: string;
  readonly unpacked: string;
}

/** Asks `ctr` and the daemon's files what they know of images; the library under test has no part in it. */
export class ImageReference {
  readonly #daemon: Daemon;
  readonly #namespace: string;

  constructor(daemon: Daemon, namespace: string) {
    this.#daemon = daemon;
    this.#namespace = namespace;
  }

  /** Whether `ctr images usage` is there: since 1.7. */
  get hasUsage(): boolean {
    return this.#daemon.release !== "v16";
  }

  async ctr(...args: string[]): Promise<string[][]> {
    const { stdout } = await this.#daemon.ctr(["-n", this.#namespace, ...args], { allowFailure: true });
    return stdout
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([first]) => first !== "");
  }

  async listed(name: string): Promise<ListedImage> {
    const [, type = "", digest = "", amount, unit, platforms = ""] = await this.#line(name, "images", "ls");
    return { type, digest, size: `${amount} ${unit}`, platforms: platforms.split(",") };
  }

  async checked(name: string): Promise<CheckedImage> {
    const line = await this.#line(name, "images", "check", "--snapshotter", "overlayfs");
    const [, , , status, count, ...rest] = line;
    return { status: `${status} ${count}`, size: rest.slice(0, -1).join(" "), unpacked: rest.at(-1) ?? "" };
  }

  /** What `ctr images usage` lists: each layer of the chain, the highest first. */
  async chain(name: string): Promise<string[]> {
    const [, ...lines] = await this.ctr("images", "usage", "--snapshotter", "overlayfs", name);
    return lines.map((line) => line.join(" "));
  }

  /** Bytes and inodes of one snapshot. */
  async snapshot(name: string): Promise<{ readonly size: number; readonly inodes: number }> {
    const [, line = []] = await this.ctr("snapshots", "--snapshotter", "overlayfs", "usage", "-b", name);
    return { size: Number(line[1]), inodes: Number(line[2]) };
  }

  /** Bytes of a blob's file; undefined when it has none. */
  async blobSize(digest: Digest): Promise<number | undefined> {
    const [algorithm = "", encoded = ""] = digest.split(":");
    const path = join(this.#daemon.root, "io.containerd.content.v1.content", "blobs", algorithm, encoded);
    return stat(path).then(
      ({ size }) => size,
      () => undefined,
    );
  }

  async #line(name: string, ...args: string[]): Promise<string[]> {
    const line = (await this.ctr(...args)).find(([first]) => first === name);
    assert.ok(line, `ctr ${args.join(" ")} does not show ${name}`);
    return line;
  }
}

/** Bytes as `ctr` prints them: one decimal place, a half to the even one. */
export function humanBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const at = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)));
  const [tenths, whole] = [BigInt(bytes) * 10n, 1024n ** BigInt(at)];
  const twice = (tenths % whole) * 2n;
  const up = twice > whole || (twice === whole && (tenths / whole) % 2n === 1n);
  const rounded = tenths / whole + (up ? 1n : 0n);
  return `${rounded / 10n}.${rounded % 10n} ${units[at]}`;
}
