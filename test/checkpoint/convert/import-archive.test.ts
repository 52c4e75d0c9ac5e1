import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type CheckpointInspection,
  type ImportedCheckpoint,
  importArchive,
  inspectArchive,
  inspectCheckpoint,
  readArchive,
} from "../../../src/checkpoint/index.js";
import { MemoryStore, readBlob } from "../../../src/content/index.js";
import { AbortedError, DeadlineExceededError, FailedPreconditionError, NotFoundError } from "../../../src/errors.js";
import { parseSpec, type Spec } from "../../../src/oci/runtime-spec.js";
import { readTar, writeTar } from "../../../src/tar/tar.js";
import { decodeAny } from "../../../src/typeurl.js";
import { archiveBytes, archiveNames } from "../../fixtures/checkpoint-archives.js";

/** Those that nobody can restore by themselves, and why. */
const refused: Readonly<Record<string, RegExp>> = {
  "containerd-ctr-checkpoint.oci.tar": /a checkpoint of containerd's already/,
  "docker-checkpoint-exit1.tar": /directory of Docker's/,
  "docker-container-dir.tar.gz": /directory of Docker's/,
  "podman-crun-gzip-pre1.tar.gz": /dumped before the checkpoint itself/,
  "podman-crun-gzip-with-previous.tar.gz": /builds on one before it/,
};

async function* bytesOf(name: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield archiveBytes(name);
}

async function imported(name: string, options: Parameters<typeof importArchive>[2] = {}) {
  const store = new MemoryStore();
  return { store, checkpoint: await importArchive(() => bytesOf(name), store, options) };
}

async function specOf(store: MemoryStore, { spec }: ImportedCheckpoint): Promise<Spec> {
  assert.ok(spec);
  return parseSpec(decodeAny(await readBlob(store, spec)).value);
}

async function membersOf(store: MemoryStore, { rw }: ImportedCheckpoint): Promise<ReadonlyMap<string, string>> {
  assert.ok(rw);
  const members = new Map<string, string>();
  for await (const { name, type, body } of readTar(store.read(rw))) {
    members.set(name, type === "file" ? (await collected(body)).toString() : type);
  }
  return members;
}

async function collected(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function countBlobs(store: MemoryStore): Promise<number> {
  let count = 0;
  for await (const _ of store.list()) count += 1;
  for await (const _ of store.statuses()) count += 1;
  return count;
}

/** All but what an index has in a way of its own: annotations, when it was made, and changed files as a layer. */
function comparable({ annotations, createdAt, sizes, ...rest }: CheckpointInspection): unknown {
  assert.ok(annotations && (createdAt === undefined || createdAt instanceof Date));
  return { ...rest, sizes: { ...sizes, rootfsDiff: 0 } };
}

describe("a checkpoint archive", () => {
  for (const name of archiveNames()) {
    const why = refused[name];
    if (why !== undefined) {
      it(`${name} is refused, and nothing stays`, async () => {
        const store = new MemoryStore();
        await assert.rejects(
          importArchive(() => bytesOf(name), store),
          (reason) => {
            assert.ok(reason instanceof FailedPreconditionError, String(reason));
            assert.match(reason.message, why);
            return true;
          },
        );
        assert.equal(await countBlobs(store), 0);
      });
      continue;
    }
    it(`${name} becomes a checkpoint, of which is told what the archive tells`, async () => {
      const { store, checkpoint } = await imported(name);
      for (const part of [checkpoint.task, checkpoint.rw, checkpoint.spec, checkpoint.criuOptions]) assert.ok(part);
      assert.equal(await countBlobs(store), 6, "the index, its four parts and the documents");
      assert.equal(checkpoint.image.name, "localhost/bb:1");
      const before = await inspectArchive(() => bytesOf(name));
      const after = await inspectCheckpoint(store, checkpoint.target);
      assert.equal(checkpoint.origin.engine, before.origin.engine);
      assert.deepEqual(comparable(after), comparable(before));
    });
  }

  it("has its list of deleted files heard, whoever wrote it", async () => {
    async function* nameless(deleted: string) {
      for await (const part of readArchive(() => bytesOf("podman-crun-zstd-stopped.tar.zst"))) {
        if (part.kind === "directory") continue;
        let body = await collected(part.body);
        if (part.kind === "deleted-files") body = Buffer.from(JSON.stringify([deleted]));
        if (part.kind === "spec") body = Buffer.from(JSON.stringify({ ...part.document, annotations: {} }));
        yield { name: part.name, body };
      }
    }
    const store = new MemoryStore();
    const checkpoint = await importArchive(writeTar(nameless("/etc/motd")), store);
    assert.equal(checkpoint.origin.engine, "containerd");
    assert.ok((await membersOf(store, checkpoint)).has("etc/.wh.motd"));
    // What says both ways what is gone could mean either.
    const refused = importArchive(writeTar(nameless("/etc/.wh.motd")), new MemoryStore());
    await assert.rejects(refused, { name: "FailedPreconditionError", message: /"etc\/\.wh\.motd"/ });
  });

  it("of crun's says to runc what its mounts are, in files of the container's own", async () => {
    const { store, checkpoint } = await imported("podman-crun-gzip-volume.tar.gz");
    const spec = await specOf(store, checkpoint);
    const members = await membersOf(store, checkpoint);
    const config = members.get("dev/.containerd-client/criu.conf") ?? "";
    assert.equal(spec.annotations?.["org.criu.config"], "rootfs/dev/.containerd-client/criu.conf");
    assert.deepEqual(config.trim().split("\n").sort(), [
      "external mnt[/proc/interrupts]:/dev/null",
      "external mnt[/proc/keys]:/dev/null",
      "external mnt[/proc/timer_list]:/dev/null",
      "skip-file-rwx-check",
    ]);
    const sources = (spec.mounts ?? []).filter(({ type }) => type === "bind").map(({ source = "" }) => source);
    assert.equal(sources.length, 7);
    for (const source of sources) {
      assert.match(source, /^rootfs\/dev\/\.containerd-client\/\w+$/);
      const place = source.replace("rootfs/", "");
      assert.ok(members.has(place) || members.has(`${place}/`), `${place} is in the layer`);
    }
    const volume = spec.mounts?.find(({ destination }) => destination === "/vol")?.source?.replace("rootfs/", "");
    assert.equal(members.get(`${volume}/file`), "volume-data\n");
    const stopped = await imported("podman-crun-zstd-stopped.tar.zst");
    const changed = await membersOf(stopped.store, stopped.checkpoint);
    assert.ok(changed.has("data/.wh.delete-me") && changed.has("data/.wh.sub") && changed.has("data/newdir/added"));
  });

  it("brings of its spec what the policy allows, and tells what it left", async () => {
    const name = "crio.tar";
    const plain = await imported(name);
    assert.equal((await specOf(plain.store, plain.checkpoint)).annotations?.["team"], undefined);
    assert.ok(plain.checkpoint.leftOut.some(({ what, name: key }) => what === "annotation" && key === "team"));
    const allowed = await imported(name, {
      policy: { annotations: ["team"], mounts: { "/etc/hostname": true, "/etc/resolv.conf": "/etc/resolv.conf" } },
    });
    const spec = await specOf(allowed.store, allowed.checkpoint);
    assert.deepEqual(Object.keys(spec.annotations ?? {}).sort(), ["org.criu.config", "team"]);
    const sourceOf = (destination: string) => spec.mounts?.find((mount) => mount.destination === destination)?.source;
    assert.match(sourceOf("/etc/hostname") ?? "", /^\/run\/crio-peers\//);
    assert.equal(sourceOf("/etc/resolv.conf"), "/etc/resolv.conf");
  });

  it("that is refused leaves what another import of the same came to need", async () => {
    const name = "podman-crun-gzip-volume.tar.gz";
    const store = new MemoryStore();
    const failing = (work: () => Promise<void>) =>
      importArchive(() => bytesOf(name), store, {
        baseImage: async () => {
          await work();
          throw new FailedPreconditionError("there is none");
        },
      });
    let checkpoint: ImportedCheckpoint | undefined;
    await assert.rejects(
      failing(async () => {
        await assert.rejects(failing(async () => {}));
        checkpoint = await importArchive(() => bytesOf(name), store);
      }),
      { message: "there is none" },
    );
    assert.ok(checkpoint);
    assert.deepEqual(await countBlobs(store), 6);
    for (const part of [checkpoint.task, checkpoint.rw, checkpoint.spec, checkpoint.criuOptions, checkpoint.target]) {
      assert.ok(part);
      await store.info(part.digest);
    }
    const empty = new MemoryStore();
    const refused = importArchive(() => bytesOf(name), empty, {
      baseImage: async () => {
        for await (const { digest } of empty.list()) await empty.delete(digest);
        return undefined;
      },
    });
    await assert.rejects(refused, NotFoundError);
    assert.equal(await countBlobs(empty), 0);
  });

  it("whose parts somebody removes before it is whole is no checkpoint", async () => {
    class Losing extends MemoryStore {
      override async update(...update: Parameters<MemoryStore["update"]>) {
        for await (const { digest } of this.list()) if (digest !== update[0]) await this.delete(digest);
        return super.update(...update);
      }
    }
    const store = new Losing();
    await assert.rejects(
      importArchive(() => bytesOf("podman-crun-gzip-volume.tar.gz"), store),
      AbortedError,
    );
    assert.equal(await countBlobs(store), 0);
  });

  it("that comes no further is given up in time, and nothing stays", async () => {
    const name = "podman-crun-none-nochanges.tar";
    async function* hanging() {
      yield archiveBytes(name).subarray(0, 100_000);
      await new Promise(() => {});
    }
    const store = new MemoryStore();
    await assert.rejects(importArchive(hanging(), store, { timeoutMs: 50 }), DeadlineExceededError);
    const caller = new AbortController();
    setTimeout(() => caller.abort(new Error("no longer")), 50);
    await assert.rejects(importArchive(hanging, store, { signal: caller.signal }), { message: "no longer" });
    assert.equal(await countBlobs(store), 0);
  });

  it("that is refused under a lease leaves all to that", async () => {
    const store = new MemoryStore();
    const lease = { id: "mine" };
    const refused = importArchive(() => bytesOf("podman-crun-gzip-volume.tar.gz"), store, {
      lease,
      baseImage: async () => Promise.reject(new FailedPreconditionError("there is none")),
    });
    await assert.rejects(refused, { message: "there is none" });
    assert.equal(await countBlobs(store), 3, "the dump, the documents and the changed files");
  });

  it("tells what does not confine its container", async () => {
    const exposed = async (name: string) => {
      const { checkpoint } = await imported(name);
      return new Set(checkpoint.exposed.map(({ what }) => what));
    };
    assert.deepEqual(await exposed("podman-runc-gzip-running-1.tar.gz"), new Set());
    assert.deepEqual(await exposed("crio.tar"), new Set(["path"]));
    assert.deepEqual(await exposed("containerd-cri.tar"), new Set(["path", "seccomp"]));
    await assert.rejects(imported("crio.tar", { policy: { unmasked: false } }), /what engines hide/);
  });
});
