import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { type CopyOptions, type CopyResult, copy } from "../../src/content/copy.js";
import type { CopyProgress } from "../../src/content/copy-progress.js";
import type { Provider } from "../../src/content/store.js";
import { isDataLoss, isDeadlineExceeded, isNotFound } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { all, type ContentSubject } from "./content-bed.js";
import { assertArrived, type Graph, lying, makeGraph, through } from "./copy-bed.js";

/** What a copy must do between any two stores. */
export function copySuite(
  name: string,
  makeFrom: () => Promise<ContentSubject>,
  makeTo: () => Promise<ContentSubject>,
): void {
  describe(name, () => {
    let from: ContentSubject;
    let to: ContentSubject;
    let graph: Graph;

    beforeEach(async () => {
      [from, to] = [await makeFrom(), await makeTo()];
      graph = await makeGraph(from);
    });
    afterEach(async () => {
      await from.end();
      await to.end();
    });

    const run = (options: CopyOptions = {}, source: Provider = from.store): Promise<CopyResult> =>
      copy(source, to.store, graph.root, { ...to.call, ...options });
    const there = async () => new Set((await all(to.store.list())).map(({ digest }) => digest));

    it("brings the whole graph, and the second time only looks", async () => {
      const seen: CopyProgress[] = [];
      const total = graph.blobs.reduce((sum, { size }) => sum + size, 0);
      assert.deepEqual(await run({ onProgress: (one) => seen.push(one) }), { copied: 13, present: 0, bytes: total });
      await assertArrived(from.store, to.store, graph.root);
      assert.deepEqual(await all(to.store.statuses()), []);
      assert.deepEqual([seen.at(-1)?.bytes, seen.at(-1)?.totalBytes], [total, total]);
      for (const [at, { bytes }] of seen.entries()) assert.ok(bytes >= (seen[at - 1]?.bytes ?? 0) && bytes <= total);

      const held = await to.store.info(graph.root.digest);
      await to.store.update(graph.root.digest, Object.fromEntries(Object.keys(held.labels).map((key) => [key, null])));
      await to.store.update(graph.root.digest, { "containerd.io/gc.ref.content.0": graph.memory.digest });
      assert.deepEqual(await run(), { copied: 0, present: 13, bytes: 0 });
      await assertArrived(from.store, to.store, graph.root);
      const { labels } = await to.store.info(graph.root.digest);
      assert.ok(Object.values(labels).includes(graph.memory.digest));
      await run();
      assert.deepEqual((await to.store.info(graph.root.digest)).labels, labels);
    });

    it("lets what refers to something come after it", async () => {
      const done: string[] = [];
      const onProgress = ({ descriptor, state }: CopyProgress) => {
        if (state !== "copying") done.push(descriptor.digest);
      };
      await run({ onProgress, concurrency: 3 });
      for (const one of graph.blobs) {
        for (const child of Object.values((await to.store.info(one.digest)).labels)) {
          assert.ok(done.indexOf(child) < done.indexOf(one.digest) && done.includes(child));
        }
      }
      assert.equal(done.at(-1), graph.root.digest);
    });

    it("goes on where it was cut off", async () => {
      const cut = 1_500_000;
      const failure = new Error("the line is cut");
      const broken = through(from.store, (chunk, at, digest) => {
        if (digest === graph.memory.digest && at + chunk.length > cut) throw failure;
        return chunk;
      });
      await assert.rejects(run({}, broken), (reason) => reason === failure);
      assert.equal((await there()).has(graph.root.digest), false);
      const left = await all(to.store.statuses());
      const { offset } = left.find(({ ref }) => ref.includes(graph.memory.digest)) ?? assert.fail("no ingest is left");
      assert.ok(offset > 0 && offset <= cut);
      const brought = await there();
      const total = graph.blobs.filter(({ digest }) => !brought.has(digest)).reduce((sum, { size }) => sum + size, 0);
      const partial = left.reduce((sum, one) => sum + one.offset, 0);
      const { bytes } = await run();
      // A small blob that was on its way to a daemon when the line was cut may arrive after all.
      assert.ok(bytes <= total - partial, `${bytes} bytes of ${total - partial} were brought`);
      assert.ok(bytes >= graph.memory.size - offset, `${bytes} bytes do not hold the rest of the large one`);
      await assertArrived(from.store, to.store, graph.root);
      assert.deepEqual(await all(to.store.statuses()), []);
    });

    it("starts over when an ingest holds other bytes", async () => {
      for (const [at, target] of graph.blobs.entries()) {
        const size = at % 2 === 0 ? target.size : target.size + 5;
        await using writer = await to.store.writer(`copy-${target.digest}`, to.call);
        await writer.write(Buffer.alloc(at % 3 === 0 ? size >> 1 : size, "x"));
      }
      await run();
      await assertArrived(from.store, to.store, graph.root);
    });

    it("never brings other bytes than the right ones, and goes on with those", async () => {
      const isDenied: boolean[] = [];
      await fc.assert(
        fc.asyncProperty(
          fc.nat(graph.blobs.length - 1),
          fc.constantFrom("flip", "cut", "add"),
          fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
          async (which, kind, part) => {
            const { digest, size } = graph.blobs[which] ?? graph.root;
            if (size === 0 && kind !== "add") return;
            await to.store.delete(digest).catch((reason: unknown) => assert.ok(isNotFound(reason), String(reason)));
            const source = lying(from.store, { digest, kind, at: Math.floor(part * size) });
            // A daemon may still have the bytes of what was deleted, and then asks nobody.
            const failure = await run({}, source).then(
              () => undefined,
              (reason: unknown) => {
                assert.ok(isDataLoss(reason), String(reason));
                return reason;
              },
            );
            assert.equal((await there()).has(digest), failure === undefined);
            isDenied.push(failure !== undefined);
          },
        ),
        { numRuns: 15 },
      );
      assert.ok(isDenied.includes(true));
      await run();
      await assertArrived(from.store, to.store, graph.root);
      assert.deepEqual(await all(to.store.statuses()), []);
    });

    it("leaves out what is not wanted, and brings it another time", async () => {
      const isFor = (digest: string) => (reason: unknown) => isNotFound(reason) && reason.message.includes(digest);
      await assert.rejects(
        copy(from.store, to.store, (await indexOf(graph, from)) ?? graph.root, {
          ...to.call,
          platform: { os: "linux", architecture: "s390x" },
        }),
        isFor((await indexOf(graph, from))?.digest ?? ""),
      );
      assert.equal((await there()).size, 0);
      await run({
        platform: { os: "linux", architecture: "arm64" },
        skip: ({ descriptor }) => descriptor.digest === graph.memory.digest,
      });
      const first = await there();
      assert.ok(first.has(graph.arm64.digest) && first.has(graph.root.digest) && !first.has(graph.memory.digest));
      assert.ok(!Object.values((await to.store.info(graph.checkpoint.digest)).labels).includes(graph.memory.digest));
      await run();
      await assertArrived(from.store, to.store, graph.root);
    });

    it("refuses a graph that is not whole before anything is written, unless gaps are expected", async () => {
      await from.store.delete(graph.arm64.digest);
      await assert.rejects(run(), isNotFound);
      assert.deepEqual([...(await there())], []);
      const { copied } = await run({ skipMissing: true });
      assert.equal(copied, 10);
      assert.ok((await there()).has(graph.root.digest));
    });

    it("ends when the signal says so or the time is over, and two at once share the work", async () => {
      const abort = new AbortController();
      const reason = new Error("enough");
      const stopped = run({ signal: abort.signal, onProgress: () => abort.abort(reason) });
      await assert.rejects(stopped, (error) => error === reason);
      await assert.rejects(run({ signal: abort.signal }), (error) => error === reason);
      await assert.rejects(run({ timeoutMs: 0 }), isDeadlineExceeded);
      const both = await Promise.all([run(), run()]);
      assert.equal(both.reduce((sum, { present }) => sum + present, 0) >= 13, true);
      await assertArrived(from.store, to.store, graph.root);
      assert.deepEqual(await all(to.store.statuses()), []);
    });
  });
}

/** The index of the two images alone. */
async function indexOf(graph: Graph, { store }: ContentSubject): Promise<Descriptor | undefined> {
  for (const one of graph.blobs) {
    if (one.digest === graph.root.digest || one.digest === graph.checkpoint.digest) continue;
    if (!one.mediaType.includes("index")) continue;
    await store.info(one.digest);
    return one;
  }
  return undefined;
}
