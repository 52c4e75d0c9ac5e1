import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { exportArchive } from "../../src/content/archive/export.js";
import { importArchive } from "../../src/content/archive/import.js";
import { copy } from "../../src/content/copy.js";
import { exists } from "../../src/content/found.js";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import { MemoryStore } from "../../src/content/memory.js";
import type { Store } from "../../src/content/store.js";
import { walk } from "../../src/content/walk.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import type { Digest } from "../../src/oci/digest.js";
import { assertSame } from "../suites/archive-suite.js";
import { all, bytesOf } from "../suites/content-bed.js";
import { amd64, Graphs } from "./graphs.js";
import { layoutSubject } from "./layout-bed.js";

const origin = new MemoryStore();
const graphs = new Graphs(origin);
const common = await graphs.multi("common");
const lone = await graphs.image("lone");

async function digestsOf(target: Descriptor): Promise<readonly Digest[]> {
  return (await all(walk(origin, target))).map(({ descriptor }) => descriptor.digest);
}

/** Begins an import that has taken all blobs and waits for its last bytes. */
async function waiting(store: Store, target: Descriptor, options: Parameters<typeof importArchive>[2] = {}) {
  const archive = await bytesOf(exportArchive(origin, [{ target }]));
  let end: (reason?: Error) => void = () => {};
  const gate = new Promise<void>((resolve, reject) => {
    end = (reason) => (reason === undefined ? resolve() : reject(reason));
  });
  // It may be shut before anybody waits at it.
  gate.catch(() => {});
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    yield archive.subarray(0, -1024);
    await gate;
    yield archive.subarray(-1024);
  }
  const imported = importArchive(store, source(), options);
  imported.catch(() => {});
  for (const digest of await digestsOf(target)) while (!(await exists(store.info(digest)))) await sleep(5);
  return {
    finish: async () => {
      end();
      await imported;
    },
    fail: async () => {
      const reason = new Error("the connection went");
      end(reason);
      await assert.rejects(imported, reason);
    },
  };
}

const importAll = async (store: Store) => {
  await importArchive(store, exportArchive(origin, [{ target: common }]));
};

for (const [name, subject] of [
  ["memory", async () => ({ store: new MemoryStore(), end: async () => {} })],
  ["a layout", layoutSubject],
] as const) {
  describe(`imports into ${name} at once`, { timeout: 60_000 }, () => {
    it("keep what the other one needs, and nothing else", async (context) => {
      const { store, end } = await subject();
      context.after(end);
      const first = await waiting(store, await graphs.index([common, lone]));
      await importAll(store);
      await first.fail();
      await assertSame(origin, store, common);
      for (const digest of await digestsOf(lone)) assert.equal(await exists(store.info(digest)), false);
    });

    it("remove what neither takes, when the last is over", async (context) => {
      const { store, end } = await subject();
      context.after(end);
      const [first, second] = [await waiting(store, common), await waiting(store, common)];
      await first.fail();
      assert.ok((await all(store.list())).length > 0);
      await second.fail();
      assert.deepEqual(await all(store.list()), []);
    });

    it("keep what the other takes when they take one platform", async (context) => {
      const { store, end } = await subject();
      context.after(end);
      const first = await waiting(store, common, { platforms: [amd64] });
      await importAll(store);
      await first.finish();
      await assertSame(origin, store, common);
    });
  });
}

describe("an import into a layout that is open twice", { timeout: 60_000 }, () => {
  for (const [name, use] of Object.entries({
    "another import": importAll,
    "a copy": (store: Store) => copy(origin, store, common),
  })) {
    for (const end of ["fail", "finish"] as const) {
      it(`keeps what ${name} found, and does ${end}`, async (context) => {
        const layout = await layoutSubject();
        context.after(layout.end);
        const first = await waiting(layout.store, common, { platforms: [amd64] });
        const other = await LayoutStore.open(layout.store.path);
        await use(other);
        await first[end]();
        await assertSame(origin, other, common);
      });
    }
  }

  it("removes what it made when the other was there before or comes afterwards", async (context) => {
    const layout = await layoutSubject();
    context.after(layout.end);
    const other = await LayoutStore.open(layout.store.path);
    await importAll(other);
    const before = await all(other.list());
    await (await waiting(layout.store, await graphs.index([common, lone]))).fail();
    assert.deepEqual(
      (await all(other.list())).map(({ digest }) => digest).sort(),
      before.map(({ digest }) => digest).sort(),
    );
    await importAll(other);
    await assertSame(origin, other, common);
  });
});
