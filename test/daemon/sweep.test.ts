import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { after, afterEach, before, beforeEach, it } from "node:test";
import { STRAY_DUMP } from "../../src/client/recovery/stray-dumps.js";
import { type Client, type Container, connect, streamIO, type TaskIO } from "../../src/index.js";
import { TEMPORARY } from "../faults/auditor.js";
import { sceneDaemon } from "../faults/scene.js";
import { Relay } from "../rpc/relay.js";
import { type Inventory, inventoryOf } from "./audit.js";
import { startChild } from "./child.js";
import { clientFor } from "./client.js";
import { COUNT, countsBeyond, discard, IMAGE, start } from "./counter.js";
import type { ChildWork } from "./operation-child.js";
import { describeOnEachDaemon } from "./releases.js";
import { SILENT_COUNT } from "./silent-counter.js";

describeOnEachDaemon(
  "a sweep",
  (daemon) => {
    let client: Client;
    let container: Container;
    let ready: Inventory;

    before(async () => {
      await daemon().inBox("mkdir", ["-p", TEMPORARY]);
      client = await clientFor(daemon(), "sweep");
      // ctr dumps it, too, and does not look for a task between vfork and exec.
      ({ container } = await start(client, "s1", SILENT_COUNT));
      await countsBeyond(client, container, 2);
      await container.checkpoint("cp:0");
      // What a daemon makes with its first checkpoint and keeps is no residue.
      await client.sweep();
    });
    after(() => client.close());
    beforeEach(async () => {
      ready = await inventoryOf(daemon(), client);
    });
    afterEach(async () => {
      assert.deepEqual(await inventoryOf(daemon(), client), ready);
    });

    const work = (more: Partial<ChildWork>): ChildWork => {
      const { address } = daemon();
      return { address, namespace: client.namespace, id: container.id, ref: "cp:1", guardian: false, ...more };
    };

    /** Containerd before 1.7 does not, and what is in its temporary directory cannot be looked at. */
    const saysWhereItIs = async () => (await client.introspection.server()).pid !== undefined;

    const cases: readonly Partial<ChildWork>[] = [
      { dieIn: "prepare" },
      { dieIn: "prepare", afterMs: 20 },
      { dieIn: "pause" },
      { dieIn: "capture" },
      { dieIn: "capture", afterMs: 40 },
      { dieIn: "capture", afterMs: 40, way: "daemon" },
      { dieIn: "resume" },
      { dieIn: "write" },
      { dieIn: "write", afterMs: 5 },
      { dieIn: "register" },
      { restore: true, id: "copy", ref: "cp:0", dieIn: "snapshot" },
      { restore: true, id: "copy", ref: "cp:0", dieIn: "rw" },
      { restore: true, id: "copy", ref: "cp:0", dieIn: "container" },
    ];
    for (const one of cases) {
      it(`leaves what was there before the process died: ${JSON.stringify(one)}`, async () => {
        await startChild(work(one)).ended();
        const { operations, removed, kept, onHost } = await client.sweep();
        assert.equal(operations.length, 1);
        assert.ok(
          removed.some((what) => what.startsWith("lease containerd-client-")),
          removed.join("\n"),
        );
        const told = one.way === "daemon" && !(await saysWhereItIs()) ? [STRAY_DUMP] : [];
        assert.deepEqual({ kept, onHost }, { kept: [], onHost: told });
        // Death may come after the image was made: then it is whole.
        await client.images.delete("cp:1", { sync: true }).catch(() => {});
      });
    }

    it("says first what it would do", async () => {
      await startChild(work({ dieIn: "write" })).ended();
      const left = await inventoryOf(daemon(), client);
      const { removed } = await client.sweep({ dryRun: true });
      assert.ok(
        removed.some((what) => what.startsWith("lease containerd-client-checkpoint-")),
        removed.join("\n"),
      );
      assert.deepEqual(await inventoryOf(daemon(), client), left);
      await client.sweep();
    });

    it("touches nothing that somebody else made", async () => {
      const lease = await client.leases.create({ id: "somebody" });
      await client.snapshots().prepare("theirs", "", { lease });
      const ingest = await client.content.writer("containerd-client-theirs", { lease });
      await ingest.write(Buffer.from("theirs"));
      await ingest[Symbol.asyncDispose]();
      const { removed } = await client.sweep();
      assert.deepEqual(removed, []);
      await client.snapshots().stat("theirs");
      await client.content.status("containerd-client-theirs");
      await client.leases.delete(lease, { sync: true });
    });

    it("removes dump directories whose operation is gone", async () => {
      const home = join(daemon().root, "containerd-client", client.namespace);
      const dump = join(home, "containerd-client-checkpoint-old-one");
      await mkdir(dump, { recursive: true, mode: 0o700 });
      await writeFile(join(dump, "pages-1.img"), "secret");
      const { removed } = await client.sweep();
      assert.deepEqual(removed, [`directory ${dump}`]);
    });

    it("removes the memory that the daemon left in its temporary directory for one who died, and no other", async () => {
      await daemon().inBox("sh", ["-c", `rm -rf ${TEMPORARY}/*`]);
      const { container: other } = await start(client, "s2", SILENT_COUNT);
      const inBox = (script: string) => daemon().inBox("sh", ["-c", script]);
      const dumpOf = async (id: string, serial: number): Promise<string> => {
        const path = `${TEMPORARY}/ctrd-checkpoint${serial}`;
        await inBox(`mkdir -m 700 ${path}`);
        await daemon().ctr(["-n", client.namespace, "tasks", "checkpoint", "--image-path", path, id]);
        return path;
      };
      const [left, others] = [await dumpOf(container.id, 1), await dumpOf(other.id, 2)];
      const [unpacked, open, named] = ["ctrd-checkpoint3", "ctrd-checkpoint4", "dump5"].map(
        (name) => `${TEMPORARY}/${name}`,
      );
      await startChild(work({ dieIn: "capture", way: "daemon" })).ended();
      await inBox(`cp -a ${left} ${unpacked}; touch -d '1 hour ago' ${unpacked}/cgroup.img`);
      await inBox(`cp -a ${left} ${open}; chmod 755 ${open}; cp -a ${left} ${named}; chmod 700 ${left} ${others}`);
      const { operations, removed, onHost } = await client.sweep();
      assert.equal(operations.length, 1);
      const seen = await saysWhereItIs();
      assert.deepEqual(
        removed.filter((what) => what.startsWith("directory ")),
        seen ? [`directory ${left}`] : [],
      );
      assert.equal(onHost.length, seen ? 0 : 1);
      const { stdout } = await inBox(`ls -d ${TEMPORARY}/*`);
      assert.deepEqual(stdout.trim().split("\n"), [...(seen ? [] : [left]), others, unpacked, open, named]);
      await inBox(`rm -r ${TEMPORARY}/*`);
      await discard(other);
    });

    it("leaves what is still written to there to the next one", async () => {
      await daemon().inBox("sh", ["-c", `rm -rf ${TEMPORARY}/*`]);
      await startChild(work({ dieIn: "capture", way: "daemon" })).ended();
      // Who holds it is in the box, where the daemon's paths are what it calls them.
      const dump = `${TEMPORARY}/ctrd-checkpoint6`;
      const script = `mkdir -m 700 ${dump}; exec 3> ${dump}/pages-1.img; touch ${TEMPORARY}/held
        while [ -e ${TEMPORARY}/held ]; do sleep 0.1; done; exec 3>&-; touch ${TEMPORARY}/done`;
      const holding = daemon().inBox("sh", ["-c", script]);
      const inBox = (line: string) => daemon().inBox("sh", ["-c", line]);
      await inBox(`while [ ! -e ${TEMPORARY}/held ]; do sleep 0.1; done`);
      const first = await client.sweep();
      await inBox(`rm ${TEMPORARY}/held; while [ ! -e ${TEMPORARY}/done ]; do sleep 0.1; done; rm -r ${TEMPORARY}/*`);
      await holding;
      const seen = await saysWhereItIs();
      const directory = `directory ${dump}: it is being written to`;
      assert.deepEqual(first.kept.slice(0, 1), seen ? [directory] : []);
      assert.equal(first.kept.length, seen ? 2 : 0);
      const next = await client.sweep();
      assert.equal(next.operations.length, seen ? 1 : 0);
      assert.deepEqual(next.kept, []);
      assert.equal(next.removed.filter((what) => what.startsWith("lease ")).length > 0, seen);
    });

    it("removes named pipes that a dead process left, but not those of a task that is there, or of another daemon", async () => {
      const own = await client.containers.create("piped", { image: IMAGE, args: COUNT });
      let used = "";
      const io: TaskIO = {
        open: async (context) => {
          const opened = await streamIO().open(context);
          used = dirname(opened.request.stdout);
          return opened;
        },
      };
      const task = await own.newTask({ io });
      const made: string[] = [];
      try {
        const written: unknown = JSON.parse(await readFile(join(used, "owner"), "utf8"));
        const gone = { ...(written as object), pid: 1, startTicks: "0", instance: "" };
        const left = async (changes: object): Promise<string> => {
          const directory = await mkdtemp(join(dirname(used), "containerd-client-"));
          made.push(directory);
          await writeFile(join(directory, "owner"), JSON.stringify({ ...gone, ...changes }));
          return directory;
        };
        await writeFile(join(used, "owner"), JSON.stringify(gone));
        const mine = await left({});
        const others = await left({ serverId: "another" });
        const elsewhere = await left({ namespace: "another" });
        const { removed } = await client.sweep();
        assert.deepEqual(removed, [`directory ${mine}`]);
        const there = await readdir(dirname(used));
        assert.deepEqual(
          [mine, used, others, elsewhere].map((directory) => there.includes(basename(directory))),
          [false, true, true, true],
        );
      } finally {
        for (const directory of made) await rm(directory, { recursive: true, force: true });
        await task.delete({ force: true });
        await own.delete({ snapshot: true });
      }
    });

    it("says what it cannot reach on a daemon elsewhere", async () => {
      await using relay = await Relay.listen({ port: 0, host: "127.0.0.1" }, { path: daemon().address });
      const far = await connect({ address: `tcp://127.0.0.1:${relay.port}`, namespace: client.namespace });
      await startChild(work({ dieIn: "capture" })).ended();
      const { operations, onHost } = await far.sweep();
      await far.close();
      assert.deepEqual(
        operations.map(({ pause }) => pause),
        ["resumed"],
      );
      assert.match(onHost.join("\n"), /containerd-client sweep/);
      const { removed } = await client.sweep();
      assert.ok(removed.every((what) => what.startsWith("directory ")) && removed.length === 1, removed.join("\n"));
    });
  },
  sceneDaemon,
);
