import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Daemon, startDaemon } from "../../lab/daemon.js";
import type { ReleaseName } from "../../lab/releases.js";
import { copy, LayoutStore } from "../../src/content/index.js";
import { type Client, connect } from "../../src/index.js";
import { assertNothingLeft, exportByCtr, listed } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import { testedReleases } from "./releases.js";

interface Side {
  readonly daemon: Daemon;
  readonly client: Client;
  /** The number that stands in the checkpoint. */
  readonly frozen: number;
}

const REF = "counter:frozen";

const releases = testedReleases();
const pairs = releases.flatMap((from) => releases.filter((to) => to !== from).map((to) => [from, to] as const));

describe("a checkpoint that moves to another daemon", () => {
  const sides = new Map<ReleaseName, Side>();
  const side = (release: ReleaseName): Side => {
    const found = sides.get(release);
    assert.ok(found, `containerd ${release} is not running`);
    return found;
  };
  let directory = "";

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "crossing-"));
    for (const release of releases) {
      const daemon = await startDaemon(release);
      const client = await clientFor(daemon, "origin");
      const { container } = await start(client, "counter");
      const frozen = await countsBeyond(client, container, 20);
      await container.checkpoint(REF);
      sides.set(release, { daemon, client, frozen });
    }
  });
  after(async () => {
    for (const { client, daemon } of sides.values()) {
      await client.close();
      await daemon.stop();
    }
    await rm(directory, { recursive: true, force: true });
  });

  /** In a namespace that has nothing: the base image can only come out of the checkpoint. */
  const arrives = async (from: Side, to: Side, namespace: string, transfer: (client: Client) => Promise<unknown>) => {
    await using client = await connect({ address: to.daemon.address, namespace });
    assert.deepEqual(await listed(to.daemon, client, "images", "ls", "-q"), []);
    await transfer(client);
    assert.deepEqual(await listed(to.daemon, client, "images", "ls", "-q"), [REF]);
    const original = await from.client.containers.get("counter");
    const latest = await countOf(from.client, original);
    const copy = await client.restore("counter", REF);
    try {
      const count = await countOf(client, copy);
      assert.ok(count >= from.frozen && count <= latest, `${count} is not of the freeze`);
      const task = await copy.newTask({ checkpoint: REF });
      await task.start();
      const next = await countsBeyond(client, copy, count);
      assert.ok(next - count < 200, `${count} → ${next}: it did not go on, it began anew or jumped`);
      assert.equal((await copy.info()).image, IMAGE);
      await countsBeyond(from.client, original, latest);
    } finally {
      await discard(copy);
      await client.images.delete(REF, { sync: true });
    }
    await assertNothingLeft(to.daemon, client);
  };

  if (pairs.length === 0) {
    it("from one line to another", { skip: process.env["LAB_WHY_NOT"] ?? "fewer than two lines are prepared" });
  }

  for (const [from, to] of pairs) {
    it(`from ${from} to ${to} as a file of ctr's`, async () => {
      const file = join(directory, `${from}-${to}.tar`);
      const { daemon, client } = side(from);
      await exportByCtr(daemon, client, "--skip-manifest-json", file, REF);
      await arrives(side(from), side(to), `file-from-${from}`, (there) =>
        side(to).daemon.ctr(["-n", there.namespace, "images", "import", "--no-unpack", file]),
      );
    });

    it(`from ${from} to ${to} as an archive`, async () => {
      const file = join(directory, `${from}-${to}-ours.tar`);
      await side(from).client.images.exportFile(file, REF);
      await arrives(side(from), side(to), `archive-from-${from}`, async (there) => {
        const [image] = await there.images.importFile(file);
        assert.equal(image?.name, REF);
      });
    });

    it(`from ${from} to ${to} as a stream from one to the other`, async () => {
      await arrives(side(from), side(to), `stream-from-${from}`, (there) =>
        there.images.import(side(from).client.images.export(REF)),
      );
    });

    it(`from ${from} to ${to} in an image layout`, async () => {
      const layout = await LayoutStore.open(join(directory, `${from}-${to}`), { create: true });
      const { target } = await side(from).client.images.get(REF);
      await copy(side(from).client.content, layout, target);
      await layout.index.tag(REF, target);
      await arrives(side(from), side(to), `layout-from-${from}`, async (there) => {
        await there.images.copyFrom(layout, [{ name: REF, target: await layout.index.resolve(REF) }]);
      });
    });

    it(`from ${from} to ${to} directly`, async () => {
      await arrives(side(from), side(to), `blobs-from-${from}`, (there) =>
        there.images.copyFrom(side(from).client, REF),
      );
    });

    it(`from ${from} to ${to} without the base image, which is there already`, async () => {
      const archive = () => side(from).client.images.export(REF, { baseImage: false });
      const { target } = await side(from).client.images.get(IMAGE);
      await arrives(side(from), side(to), `bare-from-${from}`, async (there) => {
        await assert.rejects(there.images.import(archive()), { code: "not_found" });
        await there.images.copyFrom(side(from).client, IMAGE);
        await there.images.import(archive());
        // Nothing but the checkpoint holds it now.
        await there.images.delete(IMAGE, { sync: true });
        await there.content.info(target.digest);
      });
    });
  }
});
