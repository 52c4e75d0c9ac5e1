import assert from "node:assert/strict";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, afterEach, before, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Checkpoint } from "../../src/checkpoint/index.js";
import { writeBlob } from "../../src/content/index.js";
import {
  Client,
  type Container,
  connect,
  isContainerdError,
  isDataLoss,
  isFailedPrecondition,
  isNotFound,
  type Transport,
  unixTransport,
} from "../../src/index.js";
import { writeTar } from "../../src/tar/tar.js";
import { assertNothingLeft, listed } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SmallDisk } from "./small-disk.js";

/** Where the daemon unpacks a dump when it is its own business; in its box. */
const TEMPORARY = "/run/temporary";

describeOnEachDaemon(
  "a task thawed from files of ours",
  (daemon) => {
    let client: Client;
    let checkpoint: Checkpoint;
    let copy: Container;
    let serial = 0;

    before(async () => {
      await daemon().inBox("mkdir", [TEMPORARY]);
      client = await clientFor(daemon(), "thaw");
      const { container } = await start(client, "original");
      await countsBeyond(client, container, 2);
      checkpoint = await container.checkpoint("cp:1");
      await discard(container);
    });
    after(() => client.close());
    afterEach(async () => {
      await discard(copy);
      assert.deepEqual(await leaks(), []);
      await assertNothingLeft(daemon(), client);
    });

    const home = () => join(daemon().root, "containerd-client", client.namespace);
    const blobPath = () =>
      join(daemon().root, "io.containerd.content.v1.content", "blobs", ...(checkpoint.task?.digest ?? "").split(":"));
    const leaks = async () => {
      const { stdout } = await daemon().inBox("ls", ["-A", TEMPORARY]);
      return stdout.split("\n").filter((name) => name !== "");
    };
    const restored = async () => {
      copy = await client.restore(`copy${++serial}`, "cp:1");
      return copy;
    };
    const kept = () => ({
      mediaType: checkpoint.task?.mediaType ?? "",
      labels: { "containerd.io/gc.root": "for this test" },
    });
    const noTask = async () => {
      await assert.rejects(copy.task(), isNotFound);
      assert.deepEqual(await readdir(home()), []);
      assert.deepEqual(await listed(daemon(), client, "leases", "ls", "-q"), []);
    };

    it("leaves no copy of the memory, neither in the daemon's temporary directory nor in ours", async () => {
      const task = await (await restored()).newTask({ checkpoint: "cp:1" });
      const [name = "", ...others] = await readdir(home());
      assert.deepEqual(others, []);
      const directory = join(home(), name, "images");
      for (const path of [dirname(directory), directory]) assert.equal((await stat(path)).mode & 0o777, 0o700);
      const images = await readdir(directory);
      assert.ok(images.includes("inventory.img"), images.join(" "));
      for (const image of images) assert.equal((await stat(join(directory, image))).mode & 0o777, 0o600, image);
      const leases = await listed(daemon(), client, "leases", "ls", "-q");
      assert.deepEqual(leases, [name], "the lease by which others see that it is in use");
      await task.start();
      await countsBeyond(client, copy, await countOf(client, copy));
      assert.deepEqual(await readdir(home()), []);
    });

    it("has the daemon unpack it there, and does so itself when the daemon cannot", async () => {
      for (const able of [true, false]) {
        // A file that did not change is known by now.
        await chmod(blobPath(), 0o444);
        const asked: string[] = [];
        const plain = unixTransport(daemon().address);
        const unary: Transport["unary"] = async (method, ...call) => {
          asked.push(method.name);
          if (method.name === "Apply" && !able) throw new ConnectError("cannot mount", Code.Unknown);
          return plain.unary(method, ...call);
        };
        await using other = new Client({ transport: { ...plain, unary }, namespace: client.namespace });
        const container = await other.containers.get((await restored()).id);
        const task = await container.newTask({ checkpoint: "cp:1" });
        await task.start();
        assert.equal(asked.filter((name) => name === "Apply").length, 1);
        await countsBeyond(client, copy, await countOf(client, copy));
        assert.deepEqual(await leaks(), []);
        if (able) await discard(copy);
      }
    });

    it("takes the files away when it is removed before it was started", async () => {
      const task = await (await restored()).newTask({ checkpoint: "cp:1" });
      await task.delete();
      await noTask();
    });

    it("takes the files away when the client is closed before it was started", async () => {
      const other = await connect({ address: daemon().address, namespace: client.namespace });
      const container = await other.containers.get((await restored()).id);
      await container.newTask({ checkpoint: "cp:1" });
      assert.equal((await readdir(home())).length, 1);
      await other.close();
      assert.deepEqual(await readdir(home()), []);
      await (await copy.task()).delete();
    });

    it("takes the files away when criu cannot use them", async () => {
      const empty = await writeBlob(client.content, writeTar([{ name: "inventory.img", body: new Uint8Array(64) }]), {
        ...kept(),
      });
      const task = await (await restored()).newTask({ checkpoint: { ...checkpoint, task: empty } });
      await assert.rejects(task.start(), isContainerdError);
      await noTask();
    });

    it("takes the files away when the call is aborted", async () => {
      await restored();
      for (const ms of [0, 1, 5, 10, 20, 40, 80]) {
        const attempt = copy.newTask({ checkpoint: "cp:1", signal: AbortSignal.timeout(ms) });
        const task = await attempt.catch(() => undefined);
        await task?.delete();
        await noTask();
      }
    });

    it("refuses a dump that holds anything but plain files, before anything is made", async () => {
      await restored();
      for (const member of [
        { name: "pages-1.img", type: "symlink", linkName: "/etc/shadow" },
        { name: "pages-1.img", type: "link", linkName: "inventory.img" },
        { name: "sub/pages-1.img", body: new Uint8Array(1) },
        { name: "../pages-1.img", body: new Uint8Array(1) },
        { name: "..", body: new Uint8Array(1) },
        { name: "inventory.img", body: new Uint8Array(1) },
        { name: "pages-1.img", type: "fifo" },
      ] as const) {
        const bytes = writeTar([{ name: "inventory.img", body: new Uint8Array(64) }, member]);
        const task = await writeBlob(client.content, bytes, kept());
        await assert.rejects(copy.newTask({ checkpoint: { ...checkpoint, task } }), (reason) => {
          assert.ok(isFailedPrecondition(reason), `${member.name}: ${String(reason)}`);
          return true;
        });
        await noTask();
      }
    });

    it("refuses bytes that are not those of the digest, before criu sees them", async () => {
      await restored();
      const path = blobPath();
      const bytes = await readFile(path);
      const broken = Uint8Array.from(bytes);
      // Somewhere in a file's content, so that the tar itself is in order.
      const at = bytes.indexOf("busybox");
      assert.ok(at > 0);
      broken[at] = (broken[at] ?? 0) ^ 1;
      await chmod(path, 0o600);
      try {
        await writeFile(path, broken);
        await assert.rejects(copy.newTask({ checkpoint: "cp:1" }), isDataLoss);
        await writeFile(path, bytes.subarray(0, -512));
        await assert.rejects(copy.newTask({ checkpoint: "cp:1" }), isDataLoss);
      } finally {
        await writeFile(path, bytes);
      }
      await noTask();
    });

    it("is refused when there is no room for the files, with path and need", async () => {
      const disk = new SmallDisk();
      await restored();
      await disk.mount(daemon(), dirname(home()), 16);
      try {
        await assert.rejects(copy.newTask({ checkpoint: "cp:1" }), (reason) => {
          assert.ok(isContainerdError(reason, "resource_exhausted"), String(reason));
          assert.match(reason.message, /containerd-client\/thaw\/\S+ needs \d+ bytes and has \d+ free/);
          return true;
        });
        await noTask();
      } finally {
        await disk.unmount();
      }
    });

    it("is unpacked by the daemon where its files are another's", async () => {
      const transport = { ...unixTransport(daemon().address), local: false };
      const apart = new Client({ transport, namespace: client.namespace });
      const container = await apart.containers.get((await restored()).id);
      const task = await container.newTask({ checkpoint: "cp:1" });
      await task.start();
      await countsBeyond(client, copy, await countOf(client, copy));
      await apart.close();
      assert.equal((await leaks()).length, 1, "containerd removes its copy by now: say so in SECURITY.md");
      await daemon().inBox("sh", ["-c", `rm -r ${TEMPORARY}/*`]);
    });
  },
  { env: { TMPDIR: TEMPORARY } },
);
