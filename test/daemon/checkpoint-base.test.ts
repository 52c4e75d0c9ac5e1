import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { gcLabels, writeBlob } from "../../src/content/index.js";
import {
  type Client,
  type Container,
  connect,
  isDataLoss,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
  withCheckpointPart,
  withCheckpointRuntime,
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
  withRestoreImage,
  withRestoreRuntime,
  withRestoreRW,
  withRestoreSpecEdit,
} from "../../src/index.js";
import type { Descriptor } from "../../src/oci/index.js";
import { ContainerBed } from "./container-bed.js";
import { countOf, countsBeyond, discard, IMAGE } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("what a checkpoint stands on", (daemon) => {
  const bed = new ContainerBed(daemon, "base");

  /** A running container like another one, whose root filesystem stands on a snapshot of somebody's own making. */
  const standingOn = async (like: Container, parent: string): Promise<Container> => {
    const { client } = bed;
    const { createdAt: _, updatedAt: __, ...record } = await like.info();
    assert.ok(record.spec);
    // They have one cgroup.
    await bed.drop(like);
    const id = bed.next();
    await using lease = await client.leases.create();
    const snapshots = client.snapshots(record.snapshotter);
    const mounts = await snapshots.prepare(id, parent, { lease });
    if (parent === "") {
      const { layers } = await (await client.images.get(IMAGE)).manifest();
      for (const layer of layers) await client.diffs.apply(layer, mounts, { lease });
    }
    const container = bed.keep(
      await client.containers.register({ ...record, spec: record.spec, id, image: "", snapshotKey: id }, { lease }),
    );
    const task = await container.newTask();
    await task.start();
    await countsBeyond(client, container, 2);
    return container;
  };

  for (const [what, own] of [
    ["a snapshot that no image is", true],
    ["nothing", false],
  ] as const) {
    it(`is ${what}, and is found again`, async () => {
      const { client } = bed;
      const { container: like } = await bed.counting();
      const { snapshotter, snapshotKey } = await like.info();
      const snapshots = client.snapshots(snapshotter);
      const parent = own ? `${(await snapshots.stat(snapshotKey)).parent}-100000-100000` : "";
      if (own) {
        await using lease = await client.leases.create();
        await snapshots.prepare("remapped", (await snapshots.stat(snapshotKey)).parent ?? "", { lease });
        await snapshots.commit(parent, "remapped", { lease, labels: { "containerd.io/gc.root": "1" } });
      }
      const container = await standingOn(like, parent);
      const { image } = await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
      assert.equal(image.parentSnapshot, parent);
      const frozen = await countOf(client, container);
      const restored = bed.keep(await client.restore(bed.next(), "cp:1"));
      assert.equal((await snapshots.stat(restored.id)).parent ?? "", parent);
      const task = await restored.newTask({ checkpoint: "cp:1" });
      await task.start();
      const next = await countsBeyond(client, restored, frozen);
      assert.ok(next < frozen + 200, `${frozen} → ${next}`);
      if (!own) return;
      await bed.drop(restored);
      await bed.drop(container);
      await snapshots.remove(parent);
      await assert.rejects(client.restore(bed.next(), "cp:1"), isFailedPrecondition);
    });
  }

  it("is what a checkpoint brought along, when that is thawed and frozen again elsewhere, and there again", async () => {
    const { client } = bed;
    const { container } = await bed.counting();
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    let from: Client = client;
    let ref = "cp:1";
    for (const host of ["host-b", "host-c"]) {
      const to = await connect({ address: daemon().address, namespace: host });
      await to.images.copyFrom(from, ref);
      if (from !== client) await from.images.delete(ref, { sync: true });
      const moved = await to.restore("moved", ref);
      const count = await countOf(to, moved);
      const task = await moved.newTask({ checkpoint: ref });
      await task.start();
      await countsBeyond(to, moved, count);
      const next = `cp:${host}`;
      const { image } = await moved.checkpoint(next, [withCheckpointTaskExit()]);
      assert.ok(image.descriptor, "the base image is not part of it");
      await discard(moved);
      await to.images.delete(ref, { sync: true });
      if (from !== client) await from.close();
      [from, ref] = [to, next];
    }
    await from.images.delete(ref, { sync: true });
    await from.close();
  });

  it("may be of another platform than the daemon's", async () => {
    const { client } = bed;
    const plain = await client.images.get(IMAGE);
    const manifest = await plain.manifest();
    const config = { ...(await plain.config()), architecture: "riscv64" };
    await using lease = await client.leases.create();
    const write = (mediaType: string, document: object, parts: readonly Descriptor[] = []) => {
      const bytes = Buffer.from(JSON.stringify(document));
      return writeBlob(client.content, bytes, { mediaType, labels: gcLabels(parts) }, { lease });
    };
    const foreign = await write(manifest.config.mediaType, config);
    const parts = [foreign, ...manifest.layers];
    const target = await write(plain.target.mediaType, { ...manifest, config: foreign }, parts);
    await client.images.create("foreign:1", target, { lease });
    const platform = { os: "linux", architecture: "riscv64" };
    const container = bed.keep(
      await client.containers.create(bed.next(), { image: "foreign:1", args: ["sh"], platform }),
    );
    await container.checkpoint("cp:1", [withCheckpointRW(), withCheckpointRuntime()]);
    const to = await connect({ address: daemon().address, namespace: "host-d" });
    await to.images.copyFrom(client, ["foreign:1", "cp:1"]);
    const restored = await to.restore("foreign", "cp:1", [
      withRestoreImage(),
      withRestoreRW(),
      withRestoreRuntime(),
      withRestoreSpecEdit(() => {}),
    ]);
    assert.equal((await restored.info()).image, "foreign:1");
    await restored.delete({ snapshot: true });
    for (const name of ["cp:1", "foreign:1"]) await to.images.delete(name, { sync: true });
    await to.close();
  });

  it("is not taken for a part of the caller's, which is refused before anything is frozen", async () => {
    const { client } = bed;
    const { container, task } = await bed.counting();
    const layer = withCheckpointPart(({ content, ref }, call) =>
      writeBlob(content, Buffer.alloc(1024), { mediaType: "application/vnd.oci.image.layer.v1.tar", ref }, call),
    );
    const phases: string[] = [];
    const attempt = container.checkpoint("cp:1", [layer, withCheckpointTask(), withCheckpointTaskExit()], {
      onProgress: ({ phase }) => phases.push(phase),
    });
    await assert.rejects(attempt, isInvalidArgument);
    assert.deepEqual(phases, ["prepare"]);
    assert.equal((await task.status()).status, "running");
    await assert.rejects(client.images.get("cp:1"), isNotFound);
  });

  for (const compression of ["none", "gzip"] as const) {
    it(`has over it the rw layer that was captured, or nothing is restored (${compression})`, async () => {
      const { client } = bed;
      const { container } = await bed.counting();
      const { rw } = await container.checkpoint("cp:1", [
        withCheckpointTask(),
        withCheckpointRW(compression),
        withCheckpointRuntime(),
      ]);
      assert.ok(rw);
      const path = join(daemon().root, "io.containerd.content.v1.content", "blobs", ...rw.digest.split(":"));
      const bytes = await readFile(path);
      if (compression === "none") {
        // A digit of the number in the file.
        const at = (Math.floor(bytes.lastIndexOf("count") / 512) + 1) * 512;
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      } else {
        // As it arrives from elsewhere: with nobody's word for what is in it. What gzip says of the time, it has no sum of.
        await client.content.update(rw.digest, { "containerd.io/uncompressed": null });
        bytes.writeUInt8(bytes.readUInt8(4) ^ 1, 4);
      }
      await chmod(path, 0o600);
      await writeFile(path, bytes);
      await assert.rejects(client.restore(bed.next(), "cp:1"), isDataLoss);
    });
  }
});
