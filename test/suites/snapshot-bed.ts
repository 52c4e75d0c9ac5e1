import type { Client } from "../../src/client/client.js";
import type { Mount } from "../../src/client/mount.js";
import type { Snapshots } from "../../src/client/snapshots.js";
import { writeBlob } from "../../src/content/blob.js";
import type { Lease } from "../../src/leases/lease.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { MEDIA_TYPE_LAYER } from "../../src/oci/media-types.js";
import type { Rpc } from "../../src/rpc/rpc.js";
import { readTar, type TarFile, writeTar } from "../../src/tar/tar.js";

/** What the suites of snapshots and layers run over. */
export interface SnapshotSubject {
  /** A client in a namespace with nothing in it. */
  readonly client: Client;
  /** The same daemon, in another such namespace. */
  readonly other: Client;
  /** Calls in the client's namespace. */
  readonly rpc: Rpc;
  /** Runs a shell script in the files behind mounts; absent where only the daemon can look into them. */
  readonly shell?: ((mounts: readonly Mount[], script: string) => Promise<string>) | undefined;
  /** Whether layers are packed with zstd. */
  readonly writesZstd: boolean;
  /** Puts everything away. */
  end(): Promise<void>;
}

/** One way to change files, said twice: for a shell, and as a layer where there is none. */
export interface FileChange {
  readonly script: string;
  readonly layer: readonly TarFile[];
}

export const SNAPSHOTTER = "overlayfs";
/** Whole seconds: what all daemons keep of a time. */
export const THEN: Date = new Date(1_600_000_000_000);

/** A subject for each case, and short ways to fill it. */
export class SnapshotBed {
  readonly #make: () => Promise<SnapshotSubject>;
  #made: { readonly subject: SnapshotSubject; readonly lease: Lease } | undefined;
  #views = 0;

  constructor(make: () => Promise<SnapshotSubject>) {
    this.#make = make;
  }

  async begin(): Promise<void> {
    const subject = await this.#make();
    this.#made = { subject, lease: await subject.client.leases.create() };
  }

  async end(): Promise<void> {
    await this.subject.client.leases.delete(this.call.lease, { sync: true });
    await this.subject.end();
  }

  get subject(): SnapshotSubject {
    if (this.#made === undefined) throw new Error("no case has begun");
    return this.#made.subject;
  }

  /** Passed to all calls that make something, so that it is kept. */
  get call(): { readonly lease: Lease } {
    if (this.#made === undefined) throw new Error("no case has begun");
    return { lease: this.#made.lease };
  }

  get snapshots(): Snapshots {
    return this.subject.client.snapshots(SNAPSHOTTER);
  }

  prepare(key: string, parent = "", labels: Record<string, string> = {}): Promise<readonly Mount[]> {
    return this.snapshots.prepare(key, parent, { ...this.call, labels });
  }

  view(key: string, parent = "", labels: Record<string, string> = {}): Promise<readonly Mount[]> {
    return this.snapshots.view(key, parent, { ...this.call, labels });
  }

  commit(name: string, key: string, labels: Record<string, string> = {}): Promise<void> {
    return this.snapshots.commit(name, key, { ...this.call, labels });
  }

  /** A layer in the store. */
  async layer(files: readonly TarFile[]): Promise<Descriptor> {
    return this.blob(await bytesOf(writeTar(files.map(dated))));
  }

  blob(bytes: Uint8Array, mediaType: string = MEDIA_TYPE_LAYER): Promise<Descriptor> {
    return writeBlob(this.subject.client.content, bytes, { mediaType }, this.call);
  }

  async apply(mounts: readonly Mount[], files: readonly TarFile[]): Promise<void> {
    await this.subject.client.diffs.apply(await this.layer(files), mounts, this.call);
  }

  /** A committed snapshot with some files. */
  async committed(name: string, parent: string, files: readonly TarFile[]): Promise<void> {
    await this.apply(await this.prepare(`making ${name}`, parent), files);
    await this.commit(name, `making ${name}`);
  }

  /** Changes files as somebody would who has mounted them, where that can be done. */
  async change(mounts: readonly Mount[], { script, layer }: FileChange): Promise<void> {
    const { shell } = this.subject;
    if (shell === undefined) await this.apply(mounts, layer);
    else await shell(mounts, script);
  }

  /** What files there are, a line each by path: kind, mode, owner, what a link points to, and content. */
  async files(mounts: readonly Mount[]): Promise<Record<string, string>> {
    const { client } = this.subject;
    const whole = await client.diffs.diff([], mounts, { ...this.call, mediaType: MEDIA_TYPE_LAYER });
    return listing(client.content.read(whole));
  }

  /** What files a committed snapshot shows. */
  async filesOf(name: string): Promise<Record<string, string>> {
    const key = `look ${++this.#views}`;
    const files = await this.files(await this.view(key, name));
    await this.snapshots.remove(key, this.call);
    return files;
  }
}

/** The members of a tar by path. Hard links are told by their first name. */
export async function listing(tar: AsyncIterable<Uint8Array>): Promise<Record<string, string>> {
  const lines: Record<string, string> = {};
  for await (const entry of readTar(tar)) {
    const { type, mode, uid, gid, linkName = "", device, xattrs } = entry;
    const content = (await bytesOf(entry.body)).toString();
    const more = [...(xattrs ?? [])].map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`).sort();
    lines[entry.name.replace(/\/$/, "")] = [
      `${type} ${mode.toString(8)} ${uid}:${gid}`,
      ...(linkName === "" ? [] : [`-> ${linkName}`]),
      ...(device === undefined ? [] : [`${device.major},${device.minor}`]),
      ...more,
      ...(content === "" ? [] : [content]),
    ].join(" ");
  }
  return lines;
}

export async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function file(name: string, content = "", more: Partial<TarFile> = {}): TarFile {
  return { name, body: Buffer.from(content), ...more };
}

export function directory(name: string, more: Partial<TarFile> = {}): TarFile {
  return { name: `${name}/`, type: "directory", ...more };
}

/** A member that says that something is not there any more. */
export function whiteout(path: string): TarFile {
  return { name: path.replace(/([^/]*)$/, ".wh.$1") };
}

function dated(member: TarFile): TarFile {
  return { modifiedAt: THEN, ...member };
}
