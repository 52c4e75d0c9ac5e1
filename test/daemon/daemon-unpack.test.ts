import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, it } from "node:test";
import type { TarMember } from "../../src/checkpoint/index.js";
import { unpackByDaemon } from "../../src/client/daemon-unpack.js";
import { writeBlob } from "../../src/content/index.js";
import { type Client, isDataLoss, isFailedPrecondition } from "../../src/index.js";
import { writeTar } from "../../src/tar/tar.js";
import { clientFor } from "./client.js";
import { describeOnEachDaemon } from "./releases.js";

type Entry = Parameters<typeof writeTar>[0] extends Iterable<infer T> | AsyncIterable<infer T> ? T : never;

const INVENTORY = { name: "inventory.img", body: new Uint8Array(64) };
const PAGES = { name: "pages-1.img", body: new Uint8Array(5000).fill(7) };

describeOnEachDaemon("a dump that the daemon unpacks into a directory of ours", (daemon) => {
  let client: Client;
  let home: string;
  let images: string;

  before(async () => {
    client = await clientFor(daemon(), "daemon-unpack");
    home = join(daemon().root, "unpacked");
    images = join(home, "here", "images");
  });
  after(async () => {
    await rm(home, { recursive: true, force: true });
    await client.close();
  });
  beforeEach(async () => {
    await rm(home, { recursive: true, force: true });
    await mkdir(images, { recursive: true, mode: 0o700 });
    await writeFile(join(home, "beside"), "untouched");
    await writeFile(join(home, "here", "beside"), "untouched");
  });

  const listed = ({ name, body }: typeof PAGES): TarMember => ({ name, isFile: true, size: body.length, offset: 0 });
  /** As if the members had been found to be those. */
  const unpack = async (entries: readonly Entry[], members: readonly (typeof PAGES)[]) => {
    const labels = { "containerd.io/gc.root": "for this test" };
    const dump = await writeBlob(client.content, writeTar(entries), { mediaType: "for/this-test", labels });
    return unpackByDaemon(client, { dump, members: members.map(listed) }, images, {});
  };
  const untouched = async () => {
    assert.deepEqual((await readdir(home)).sort(), ["beside", "here"]);
    assert.deepEqual((await readdir(join(home, "here"))).sort(), ["beside", "images"]);
    for (const path of [join(home, "beside"), join(home, "here", "beside")])
      assert.equal(await readFile(path, "utf8"), "untouched");
  };

  it("is there as it was, and is ours alone", async () => {
    const owned = { ...PAGES, mode: 0o4777, uid: 7, gid: 8 };
    assert.equal(await unpack([INVENTORY, owned], [INVENTORY, PAGES]), true);
    assert.deepEqual((await readdir(images)).sort(), [INVENTORY.name, PAGES.name]);
    assert.deepEqual(new Uint8Array(await readFile(join(images, PAGES.name))), PAGES.body);
    const { mode, uid, gid } = await stat(join(images, PAGES.name));
    assert.deepEqual([mode & 0o7777, uid, gid], [0o600, process.geteuid?.(), process.getegid?.()]);
    assert.equal((await stat(images)).mode & 0o7777, 0o700);
  });

  it("is refused when the daemon sees anything else in it than was seen before, and nothing beside it is touched", async () => {
    const long = { name: PAGES.name, body: new Uint8Array(5001) };
    for (const [what, entry] of Object.entries<Entry | undefined>({
      "a link": { name: PAGES.name, type: "symlink", linkName: "../beside" },
      "a second name": { name: PAGES.name, type: "link", linkName: INVENTORY.name },
      "a pipe": { name: PAGES.name, type: "fifo" },
      "a directory": { name: PAGES.name, type: "directory" },
      "another size": long,
      "nothing at all": undefined,
      "a path upwards": { name: "../beside", body: new Uint8Array(1) },
      "a path downwards": { name: "sub/file", body: new Uint8Array(1) },
      "another name": { name: "more.img", body: new Uint8Array(1) },
    })) {
      const entries: Entry[] = entry === undefined ? [INVENTORY] : [INVENTORY, entry];
      await assert.rejects(unpack(entries, [INVENTORY, PAGES]), (reason) => {
        assert.ok(isFailedPrecondition(reason), `${what}: ${String(reason)}`);
        return true;
      });
      await untouched();
      await rm(images, { recursive: true });
      await mkdir(images, { mode: 0o700 });
    }
  });

  it("is left to us when a name in it would have the daemon delete something", async () => {
    for (const name of [".wh.inventory.img", ".wh..wh..opq", ".wh...", ".wh."]) {
      const odd = { name, body: new Uint8Array(0) };
      assert.equal(await unpack([INVENTORY, odd], [INVENTORY, odd]), false);
    }
    assert.deepEqual(await readdir(images), []);
    // Should it ever be told to: what lies outside stays.
    for (const name of [".wh...", ".wh..wh..opq", "../.wh.beside"]) {
      const body = new Uint8Array(0);
      await unpack([INVENTORY, { name, body }], [INVENTORY, PAGES]).catch((reason: unknown) => {
        assert.ok(isFailedPrecondition(reason), String(reason));
      });
      await untouched();
    }
  });

  it("is refused when its bytes are not those of the digest", async () => {
    const labels = { "containerd.io/gc.root": "for this test" };
    const dump = await writeBlob(client.content, writeTar([INVENTORY]), { mediaType: "for/this-test", labels });
    const path = join(daemon().root, "io.containerd.content.v1.content", "blobs", ...dump.digest.split(":"));
    const [sound, bytes] = [await readFile(path), await readFile(path)];
    try {
      // In what the file holds: the tar itself is in order.
      await writeFile(path, bytes.fill(1, 520, 521));
      await assert.rejects(unpackByDaemon(client, { dump, members: [listed(INVENTORY)] }, images, {}), isDataLoss);
    } finally {
      await writeFile(path, sound);
    }
  });
});
