import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Client } from "../../src/client/client.js";
import { createEmbedded } from "../../src/embedded/embedded.js";
import { MEDIA_TYPE_LAYER } from "../../src/oci/media-types.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { all } from "../suites/content-bed.js";
import { file, listing, SnapshotBed, type SnapshotSubject, whiteout } from "../suites/snapshot-bed.js";

const maker = fileURLToPath(new URL("snapshot-maker.js", import.meta.url));

/** The directories of a root in which snapshots may be; what is there first is kept to. */
const places = process.platform === "linux" && process.getuid?.() === 0 ? ["snapshots", "trees"] : ["trees"];

for (const place of places) {
  describe(`snapshots in ${place} of a root`, () => {
    const withRoot = async (body: (root: string) => Promise<void>) => {
      const root = await mkdtemp(join(tmpdir(), "restart-"));
      try {
        await mkdir(join(root, place));
        await body(root);
      } finally {
        await rm(root, { recursive: true });
      }
    };
    const open = async (root: string, namespace = "maker") => {
      const containerd = await createEmbedded({ root });
      const { transport } = containerd;
      const client = new Client({ transport, namespace }, false);
      const subject: SnapshotSubject = {
        client,
        other: client,
        rpc: new Rpc(transport, namespace),
        writesZstd: false,
        end: () => containerd.close(),
      };
      return { client, bed: new SnapshotBed(async () => subject), containerd };
    };

    it("are there after a restart, and go on", () =>
      withRoot(async (root) => {
        const first = await open(root);
        await first.bed.begin();
        await first.bed.committed("1", "", [file("a", "one"), file("d/b", "b", { mode: 0o4711, uid: 5 })]);
        await first.bed.apply(await first.bed.prepare("2", "1"), [file("a", "two"), whiteout("d/b")]);
        await first.bed.view("v", "1");
        const before = await all(first.client.snapshots().list());
        const { lease } = first.bed.call;
        await first.containerd.close();

        const { client, containerd } = await open(root);
        assert.deepEqual(await all(client.snapshots().list()), before);
        const show = async (key: string) => {
          const whole = await client.diffs.diff([], await client.snapshots().mounts(key), {
            lease,
            mediaType: MEDIA_TYPE_LAYER,
          });
          return listing(client.content.read(whole));
        };
        assert.deepEqual(await show("v"), { a: "file 644 0:0 one", d: "directory 755 0:0", "d/b": "file 4711 5:0 b" });
        assert.deepEqual(await show("2"), { a: "file 644 0:0 two", d: "directory 755 0:0" });
        await client.snapshots().commit("2 done", "2", { lease });
        await client.snapshots().prepare("3", "2 done", { lease });
        assert.deepEqual(await show("3"), { a: "file 644 0:0 two", d: "directory 755 0:0" });
        await client.leases.delete(lease, { sync: true });
        assert.deepEqual(await all(client.snapshots().list()), []);
        assert.deepEqual(await readdir(join(root, place)), []);
        await containerd.close();
      }));

    it("stay when the end came while one was being committed, after its name was written", () =>
      withRoot(async (root) => {
        const first = await open(root);
        await first.bed.begin();
        await first.bed.apply(await first.bed.prepare("making"), [file("precious", "bytes")]);
        const records = join(root, "io.containerd.metadata.v1.records", "snapshots");
        const [active = ""] = await readdir(records);
        await copyFile(join(records, active), join(root, "active"));
        await first.bed.commit("layer", "making");
        const { lease } = first.bed.call;
        await first.containerd.close();
        await copyFile(join(root, "active"), join(records, active));

        const second = await open(root);
        // The collector looks at what is there.
        await second.client.leases.delete(await second.client.leases.create(), { sync: true });
        await second.containerd.close();

        const { client, containerd } = await open(root);
        assert.deepEqual(
          (await all(client.snapshots().list())).map(({ name }) => name),
          ["layer"],
        );
        const mounts = await client.snapshots().view("look", "layer", { lease });
        const whole = await client.diffs.diff([], mounts, { lease, mediaType: MEDIA_TYPE_LAYER });
        assert.equal((await listing(client.content.read(whole)))["precious"], "file 644 0:0 bytes");
        await containerd.close();
      }));

    it("survive a kill at any moment when they were committed, and leave nothing else", () =>
      withRoot(async (root) => {
        const told: string[] = [];
        for (let round = 0; round < 6; round++) {
          const child = spawn(process.execPath, [maker, root, String(round)], { stdio: ["ignore", "pipe", "inherit"] });
          const closed = once(child, "close");
          let here = 0;
          for await (const name of createInterface({ input: child.stdout })) {
            told.push(name);
            if (++here === 2 + round) setTimeout(() => child.kill("SIGKILL"), round * 3);
          }
          await closed;
        }
        const { client, containerd } = await open(root);
        const found = await all(client.snapshots().list());
        const names = found.map(({ name }) => name);
        assert.deepEqual(
          told.filter((name) => !names.includes(name)),
          [],
        );
        const lease = await client.leases.create();
        for (const { name } of found.filter(({ kind }) => kind === "committed")) {
          const mounts = await client.snapshots().view(`look ${name}`, name, { lease });
          const whole = await client.diffs.diff([], mounts, { lease, mediaType: MEDIA_TYPE_LAYER });
          const files = await listing(client.content.read(whole));
          const [round, serial] = name.split("-");
          for (let below = 0; below <= Number(serial); below++) {
            const path = `${round}-${below}`;
            assert.equal(files[path], `file 644 0:0 ${path.repeat(1000)}`);
          }
          assert.equal(files["last"], `file 644 0:0 ${name}`);
        }
        assert.equal((await readdir(join(root, place))).length, found.length);
        await containerd.close();
      }));
  });
}
