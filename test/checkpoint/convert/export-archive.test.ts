import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import zlib from "node:zlib";
import {
  type ArchiveEngine,
  type ArchivePart,
  type ExportArchiveOptions,
  exportArchive,
  type ImportedCheckpoint,
  importArchive,
  readArchive,
} from "../../../src/checkpoint/index.js";
import { MemoryStore } from "../../../src/content/index.js";
import { applyRootfsDiff, importCheckpointWithoutConfig } from "../../../src/crutils/index.js";
import { FailedPreconditionError, InvalidArgumentError, NotImplementedError } from "../../../src/errors.js";
import { digestOf } from "../../../src/oci/digest.js";
import { compress } from "../../../src/tar/compress.js";
import { type TarFile, writeTar } from "../../../src/tar/tar.js";
import { archiveBytes } from "../../fixtures/checkpoint-archives.js";

const engines: Readonly<Record<string, ArchiveEngine>> = {
  "podman-crun-zstd-stopped.tar.zst": "podman",
  "podman-runc-gzip-running-1.tar.gz": "podman",
  "podman-crun-gzip-volume.tar.gz": "podman",
  "podman-crun-none-ignore-rootfs.tar": "podman",
  "crio.tar": "cri-o",
  "containerd-cri.tar": "containerd-cri",
};

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

interface Imported {
  readonly store: MemoryStore;
  readonly checkpoint: ImportedCheckpoint;
}

async function imported(archive: Uint8Array): Promise<Imported> {
  const store = new MemoryStore();
  return { store, checkpoint: await importArchive(() => once(archive), store) };
}

async function exported({ store, checkpoint }: Imported, options: ExportArchiveOptions): Promise<Buffer> {
  return bytesOf(exportArchive(checkpoint, store, options));
}

/** What an archive holds, by name: of documents what they say, of all else its digest; directories say nothing. */
async function contentOf(archive: Uint8Array): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for await (const part of readArchive(() => once(archive))) {
    if (part.kind === "directory" || part.kind === "rootfs-diff") continue;
    if (part.kind === "deleted-files") found.set(part.name, part.paths.toSorted().join(" "));
    else found.set(part.name, digestOf(await bytesOf(part.body)));
  }
  return found;
}

async function documentOf(archive: Uint8Array, kind: "config" | "spec" | "status"): Promise<Record<string, unknown>> {
  for await (const part of readArchive(() => once(archive))) {
    if (part.kind === kind) return (part as Extract<ArchivePart, { kind: "config" }>).document;
  }
  throw new Error(`it has no ${kind}`);
}

describe("an archive that was imported", () => {
  for (const [name, engine] of Object.entries(engines)) {
    it(`${name} goes back as it was`, async () => {
      const archive = archiveBytes(name);
      const again = await exported(await imported(archive), { engine });
      assert.deepEqual(await contentOf(again), await contentOf(archive));
      // And what is the same comes out the same.
      assert.equal(digestOf(again), digestOf(await exported(await imported(archive), { engine })));
    });
  }

  it("goes to other engines with documents of theirs", async () => {
    const from = await imported(archiveBytes("podman-crun-none-nochanges.tar"));
    const crio = await exported(from, { engine: "cri-o", name: "k8s_c_p_ns_uid_0" });
    const config = await documentOf(crio, "config");
    assert.equal(config["name"], "k8s_c_p_ns_uid_0");
    assert.equal(config["rootfsImageRef"], from.checkpoint.image.configDigest?.replace("sha256:", ""));
    const { annotations } = (await documentOf(crio, "spec")) as { annotations: Record<string, string> };
    assert.equal(annotations["io.container.manager"], "cri-o");
    assert.equal(annotations["io.kubernetes.cri-o.Annotations"], "{}");
    assert.equal(annotations["org.criu.config"], undefined);
    const cri = await exported(from, { engine: "containerd-cri" });
    assert.equal((await documentOf(cri, "config"))["runtime"], "io.containerd.runc.v2");
    assert.equal((await documentOf(cri, "status"))["state"], 1);
    const names = [...(await contentOf(cri)).keys()];
    for (const name of ["config.dump", "spec.dump", "status", "status.dump"]) assert.ok(names.includes(name), name);
    assert.ok(!names.includes("network.status"));
  });

  it("goes nowhere where its volumes' files have no place", async () => {
    const from = await imported(archiveBytes("podman-crun-gzip-volume.tar.gz"));
    const anew = { ...from, checkpoint: { ...from.checkpoint, others: [] } };
    for (const engine of ["cri-o", "containerd-cri"] as const) {
      for (const each of [from, anew]) {
        await assert.rejects(exported(each, { engine }), (reason) => {
          return (
            reason instanceof FailedPreconditionError && /the files in \/vol, which is mounted/.test(reason.message)
          );
        });
      }
    }
    await assert.rejects(exported(anew, { engine: "podman" }), { message: /the files in \/vol/ });
    const shm = await imported(archiveBytes("podman-crun-none-tmpfs-shm.tar"));
    await assert.rejects(exported(shm, { engine: "cri-o" }), { message: /the files in \/dev\/shm/ });
  });

  it("names no place of ours to other engines", async () => {
    const archive = archiveBytes("podman-crun-none-nochanges.tar");
    const hosts = /\/userdata\/hosts$/;
    const from = await imported(archive);
    const anew = { ...from, checkpoint: { ...from.checkpoint, others: [] } };
    for (const engine of ["cri-o", "containerd-cri"] as const) {
      const again = await exported(from, { engine });
      assert.ok(!again.includes(".containerd-client"), engine);
      const { mounts } = (await documentOf(again, "spec")) as { mounts: { destination: string; source?: string }[] };
      assert.match(mounts.find(({ destination }) => destination === "/etc/hosts")?.source ?? "", hosts);
      assert.ok(!(await exported(anew, { engine })).includes(".containerd-client"), engine);
    }
    const listed = async (each: Imported) => {
      for await (const part of readArchive(once(await exported(each, { engine: "cri-o" })))) {
        if (part.kind === "bind-mounts") return part.mounts;
      }
      return [];
    };
    const mount = (await listed(from)).find(({ destination }) => destination === "/etc/hosts");
    assert.match(mount?.source ?? "", hosts);
    assert.equal(mount?.type, "file");
    assert.deepEqual(await listed(anew), []);
  });

  it("goes back under its own name, with its own runtime", async () => {
    const from = await imported(archiveBytes("podman-crun-none-nochanges.tar"));
    const { name } = (await documentOf(await exported(from, { engine: "podman" }), "config")) as { name: string };
    await exported(from, { engine: "podman", name, runtime: "crun" });
    const refusal = (of: string) => ({ name: "InvalidArgumentError", message: new RegExp(`with ${of}: it came from`) });
    await assert.rejects(exported(from, { engine: "podman", name: "other" }), refusal('name "other"'));
    await assert.rejects(exported(from, { engine: "podman", runtime: "runc" }), refusal('runtime "runc"'));
    await assert.rejects(exported(from, { engine: "cri-o", runtime: "runc" }), InvalidArgumentError);
  });

  it("tells Podman what another runtime called its mounts", async () => {
    const from = await imported(archiveBytes("crio.tar"));
    await assert.rejects(exported({ ...from, checkpoint: { ...from.checkpoint, image: {} } }, { engine: "podman" }), {
      message: /must be told the base image's id/,
    });
    const podman = await exported(from, { engine: "podman", runtime: "runc" });
    const config = await documentOf(podman, "config");
    assert.equal(config["runtime"], "runc");
    const { annotations } = config["spec"] as { annotations: Record<string, string> };
    assert.equal(annotations["org.criu.config"], "criu.conf");
    assert.ok((await contentOf(podman)).has("criu.conf"));
  });

  it("is packed as it is asked, where the engine and Node.js can", async () => {
    const from = await imported(archiveBytes("podman-crun-none-nochanges.tar"));
    const plain = await contentOf(await exported(from, { engine: "podman" }));
    const gzip = await exported(from, { engine: "podman", compression: "gzip" });
    assert.equal(gzip.readUInt16BE(0), 0x1f8b);
    assert.deepEqual(await contentOf(gzip), plain);
    const zstd = exported(from, { engine: "podman", compression: "zstd" });
    if ("createZstdCompress" in zlib) assert.deepEqual(await contentOf(await zstd), plain);
    else await assert.rejects(zstd, NotImplementedError);
    await assert.rejects(exported(from, { engine: "cri-o", compression: "gzip" }), InvalidArgumentError);
  });

  it("has a packed layer for containerd's CRI, by which it is told from a diff of Podman's", async (test) => {
    const from = await imported(archiveBytes("podman-crun-zstd-stopped.tar.zst"));
    const archive = await exported(from, { engine: "containerd-cri" });
    for await (const part of readArchive(() => once(archive))) {
      if (part.kind === "rootfs-diff") assert.equal(part.compression, "gzip");
    }
    const place = await mkdtemp(join(tmpdir(), "exported-"));
    test.after(() => rm(place, { recursive: true, force: true }));
    const [directory, rootfs] = [join(place, "archive"), join(place, "rootfs")];
    await mkdir(directory);
    await mkdir(join(rootfs, "data/sub"), { recursive: true });
    await writeFile(join(rootfs, "data/delete-me"), "old");
    await importCheckpointWithoutConfig(directory, once(archive));
    await applyRootfsDiff(directory, rootfs, { owners: false });
    assert.deepEqual(
      (await readdir(join(rootfs, "data"))).filter((name) => /delete-me|sub|\.wh\./.test(name)),
      [],
    );
  });

  it("has files that are packed however well, within the limits", async () => {
    const { store, checkpoint } = await imported(archiveBytes("podman-crun-none-nochanges.tar"));
    async function* zeros() {
      for (let at = 0; at < 80; at += 1) yield Buffer.alloc(2 ** 20);
    }
    const layer = await bytesOf(compress(writeTar([{ name: "zeros", size: 80 * 2 ** 20, body: zeros }]), "gzip"));
    const { digest, size } = { digest: digestOf(layer), size: layer.length };
    await store.put("zeros", layer, { expected: digest });
    const rw = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size };
    const sized = async (options: Partial<ExportArchiveOptions>) => {
      let length = 0;
      const chunks = exportArchive({ ...checkpoint, rw }, store, { engine: "podman", ...options });
      for await (const chunk of chunks) length += chunk.length;
      return length;
    };
    assert.ok((await sized({})) > 80 * 2 ** 20);
    await assert.rejects(sized({ maxBytes: 2 ** 20 }), { name: "ResourceExhaustedError" });
    await assert.rejects(sized({ maxRatio: 200 }), { name: "ResourceExhaustedError", message: /200 times/ });
  });

  it("has its files as they were, whatever lay where ours lie", async () => {
    const file = (name: string): TarFile => ({ name, body: Buffer.from("x") });
    const diff = await bytesOf(
      writeTar([
        { name: "dev", type: "symlink", linkName: "/etc" },
        file("dev/.containerd-client/criu.conf"),
        { name: "sda", type: "block-device", device: { major: 8, minor: 0 } },
        { name: "anew/", type: "directory" },
        file("anew/new"),
      ]),
    );
    const members: TarFile[] = [];
    for await (const part of readArchive(() => once(archiveBytes("podman-crun-none-nochanges.tar")))) {
      const body = await bytesOf(part.body);
      if (part.kind !== "directory") members.push({ name: part.name, body, mode: part.mode });
    }
    members.push({ name: "rootfs-diff.tar", body: diff });
    members.push({ name: "deleted.files", body: Buffer.from(JSON.stringify(["/gone", "/anew"])) });
    const from = await imported(await bytesOf(writeTar(members)));
    assert.ok(from.checkpoint.leftOut.some(({ what, name }) => what === "device" && name === "/sda"));
    const again = await exported(from, { engine: "podman" });
    for await (const part of readArchive(() => once(again))) {
      if (part.kind === "deleted-files") assert.deepEqual(part.paths, ["/anew", "/gone"]);
      if (part.kind !== "rootfs-diff") continue;
      const names: string[] = [];
      for await (const inner of readArchive(part.body)) names.push(inner.name);
      assert.deepEqual(names, ["anew", "anew/new"]);
    }
    // To another engine it goes only if nothing is lost there.
    await assert.rejects(exported(from, { engine: "cri-o" }), (reason) => {
      return reason instanceof FailedPreconditionError && /were made anew \(\/anew/.test(reason.message);
    });
  });
});
