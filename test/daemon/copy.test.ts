import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { type Daemon, startDaemon } from "../../lab/daemon.js";
import type { ReleaseName } from "../../lab/releases.js";
import { copy, LayoutStore, MemoryStore, type Provider } from "../../src/content/index.js";
import { type Client, connect, isUnavailable } from "../../src/index.js";
import { layoutSubject } from "../content/layout-bed.js";
import { all, type ContentSubject } from "../suites/content-bed.js";
import { assertArrived, makeGraph, through } from "../suites/copy-bed.js";
import { testedReleases } from "./releases.js";

const MIB = 1024 * 1024;

interface DaemonSubject extends ContentSubject {
  readonly client: Client;
  readonly daemon: Daemon;
}

describe("copies between real stores", () => {
  const releases = testedReleases();
  const daemons = new Map<ReleaseName, Daemon>();
  let round = 0;

  if (releases.length === 0) {
    it("are made", { skip: process.env["LAB_WHY_NOT"] ?? "no containerd is prepared: run npm test once" });
    return;
  }
  before(async () => {
    for (const release of releases) daemons.set(release, await startDaemon(release));
  });
  after(async () => {
    for (const daemon of daemons.values()) await daemon.stop();
  });

  const daemonSubject = async (release: ReleaseName, localContent = true): Promise<DaemonSubject> => {
    const daemon = daemons.get(release);
    assert.ok(daemon, `containerd ${release} is not running`);
    const client = await connect({ address: daemon.address, namespace: `copy-${++round}`, localContent });
    const lease = await client.leases.create();
    const end = async () => {
      await client.leases.delete(lease, { sync: true });
      await client.close();
    };
    return { store: client.content, call: { lease }, client, daemon, end };
  };
  const memorySubject = async (): Promise<ContentSubject> => ({
    store: new MemoryStore(),
    call: {},
    end: async () => {},
  });

  for (const release of releases) {
    for (const other of releases.filter((one) => one !== release)) {
      it(`go from ${release} to ${other}, and on after a cut`, async () => {
        const [from, to] = [await daemonSubject(release), await daemonSubject(other)];
        const { root, memory } = await makeGraph(from, 8 * MIB);
        const failure = new Error("the line is cut");
        const broken = through(from.store, (chunk, at, digest) => {
          if (digest === memory.digest && at + chunk.length > 5 * MIB) throw failure;
          return chunk;
        });
        await assert.rejects(copy(broken, to.store, root, to.call), (reason) => reason === failure);
        const { offset } = await to.store.status(`copy-${memory.digest}`);
        assert.ok(offset > 0 && offset <= 5 * MIB);
        const { bytes } = await copy(from.store, to.store, root, to.call);
        assert.ok(bytes < 8 * MIB, `${bytes} bytes came after ${offset}`);
        await assertArrived(from.store, to.store, root);
        await from.end();
        await to.end();
      });
    }
  }

  for (const release of releases) {
    describe(`with ${release}`, () => {
      it("shares the bytes of its namespaces", async () => {
        const [from, to] = [await daemonSubject(release), await daemonSubject(release)];
        const { root } = await makeGraph(from);
        assert.deepEqual(await copy(from.store, to.store, root, to.call), { copied: 13, present: 0, bytes: 0 });
        await from.end();
        await assertArrived(to.store, to.store, root);
        await to.end();
      });

      it("what was copied is held by its name alone, and what has none is collected", async () => {
        const [from, to] = [await memorySubject(), await daemonSubject(release)];
        const { root, blobs } = await makeGraph(from);
        const { root: nameless } = await makeGraph(from);
        {
          await using lease = await to.client.leases.create();
          await copy(from.store, to.store, root, { lease });
          await copy(from.store, to.store, nameless, { lease });
          await to.client.images.create("kept", root, { lease });
        }
        await to.end();
        const client = await connect({ address: to.daemon.address, namespace: to.client.namespace });
        await assertArrived(from.store, client.content, root);
        assert.equal((await all(client.content.list())).length, blobs.length);
        await client.images.delete("kept", { sync: true });
        assert.deepEqual(await all(client.content.list()), []);
        await client.close();
      });

      it("ctr reads our layouts, and we read what it exports", async () => {
        const [layout, to] = [await layoutSubject(), await daemonSubject(release)];
        const { root } = await makeGraph(layout);
        const [{ store }, { daemon, client }] = [layout, to];
        const name = "docker.io/library/journey:v1";
        await store.index.tag(name, root);
        await store.update(root.digest, { kept: "here" });
        const [ours, theirs] = [`${store.path}.tar`, `${store.path}.theirs`];
        await mkdir(theirs);
        await daemon.inBox("tar", ["-C", store.path, "-cf", ours, "."]);
        const ctr = (...args: readonly string[]) => daemon.ctr(["-n", client.namespace, "images", ...args]);
        await ctr("import", "--no-unpack", "--all-platforms", ours);
        assert.equal((await client.images.get(name)).target.digest, root.digest);
        await assertArrived(store, client.content, root);

        await ctr("export", "--all-platforms", "--skip-manifest-json", ours, name);
        await daemon.inBox("tar", ["-C", theirs, "-xf", ours]);
        const exported = await LayoutStore.open(theirs);
        assert.equal((await exported.index.resolve(name)).digest, root.digest);
        assert.equal((await exported.index.resolve("v1")).digest, root.digest);
        await copy(exported, new MemoryStore(), root);
        await rm(ours);
        await rm(theirs, { recursive: true });
        await to.end();
        await layout.end();
      });

      it("goes on after the daemon that reads or the one that writes was killed in the middle", async () => {
        const big = 24 * MIB;
        for (const killed of ["from", "to"] as const) {
          const here = await layoutSubject();
          // From the daemon's own files a blob can be read to its end without it.
          const there = await daemonSubject(release, false);
          const { daemon } = there;
          const [from, to] = killed === "from" ? [there, here] : [here, there];
          const { root, memory } = await makeGraph(from, big);
          let killing: Promise<void> | undefined;
          const onProgress = ({ descriptor, bytes }: { descriptor: { digest: string }; bytes: number }) => {
            if (descriptor.digest === memory.digest && bytes > big / 2) killing ??= daemon.kill();
          };
          await assert.rejects(copy(from.store, to.store, root, { ...to.call, onProgress }), isUnavailable);
          assert.ok(killing);
          await killing;
          await daemon.start();
          const left = (await all(to.store.statuses())).find(({ ref }) => ref.endsWith(memory.digest));
          assert.ok(left && left.offset > 0 && left.offset < big, `${left?.offset} bytes are left`);
          const reads: number[] = [];
          const watched: Provider = {
            read(target, options) {
              if (target.digest === memory.digest) reads.push(options?.offset ?? 0);
              return from.store.read(target, options);
            },
          };
          const { bytes } = await copy(watched, to.store, root, to.call);
          assert.deepEqual(reads, [left.offset]);
          assert.ok(bytes < big);
          await assertArrived(from.store, to.store, root);
          await there.end();
          await here.end();
        }
      });
    });
  }
});
