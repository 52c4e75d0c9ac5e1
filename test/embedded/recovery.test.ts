import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";
import { runCommand } from "../../lab/command.js";
import { repositoryRoot } from "../../lab/repository.js";
import { withCheckpointTask, withCheckpointTaskExit } from "../../src/checkpoint/plan.js";
import { Client } from "../../src/client/client.js";
import { OperationLabel } from "../../src/client/recovery/operation-record.js";
import { ownOwner } from "../../src/client/recovery/owner.js";
import type { Task } from "../../src/client/task.js";
import { isContainerdError, isFailedPrecondition, isUnavailable } from "../../src/errors.js";
import { unixTransport } from "../../src/rpc/transport.js";
import { all } from "../suites/content-bed.js";
import { type EmbeddedBed, embeddedBed } from "./beds.js";
import { listenedIn, withSickTask, withStuckTask } from "./sick-transport.js";
import { simulatedImage, simulatedPrograms } from "./task-beds.js";

const IMAGE = "docker.io/library/programs:1";
const VICTIM = fileURLToPath(new URL("checkpoint-victim.js", import.meta.url));
const CLI = join(repositoryRoot(), "dist/cli/main.js");

describe("recovery", { skip: process.platform !== "linux" && "there is no /proc" }, () => {
  let bed: EmbeddedBed;
  let socket: string;
  const clients: Client[] = [];

  before(async () => {
    bed = await embeddedBed("on a directory", { programs: simulatedPrograms });
    socket = join(bed.directory, "c.sock");
    await bed.containerd.listen(socket);
  });
  after(async () => {
    for (const child of held) child.stdin?.end();
    for (const client of clients) await client.close();
    await bed[Symbol.asyncDispose]();
  });

  /** A namespace with an image. */
  const home = async (namespace: string): Promise<Client> => {
    const client = new Client({ transport: unixTransport(socket), namespace });
    clients.push(client);
    await simulatedImage(client, IMAGE);
    return client;
  };
  const run = async (client: Client, id: string): Promise<Task> => {
    const container = await client.containers.create(id, { image: IMAGE, args: ["waiter"] });
    const task = await container.newTask();
    await task.start();
    return task;
  };
  const programOf = async (file: string, args: readonly string[]): Promise<string> => {
    const { stdout } = await runCommand(file, args, { allowFailure: true });
    return stdout;
  };
  /** What another process says that checkpoints the container. */
  const checkpoint = ({ namespace }: Client, id: string, dieAt = "") =>
    programOf(process.execPath, [VICTIM, socket, namespace, id, dieAt]);
  /** What the first process of a container of its own says that runs such a program. */
  const inPod = (...args: readonly string[]) =>
    programOf("unshare", ["--pid", "--fork", "--mount-proc", process.execPath, ...args]);
  /** Has another process pause the container for a checkpoint, and die of it. */
  const leave = async (client: Client, id: string) => assert.equal(await checkpoint(client, id, "Checkpoint"), "");
  const held: ChildProcess[] = [];
  /** The same as the first process of a container; the number of its pid namespace is not given out again meanwhile. */
  const leaveInPod = async ({ namespace }: Client, id: string): Promise<void> => {
    const pod = ["unshare", "--mount-proc", process.execPath, VICTIM, socket, namespace, id, "Checkpoint"];
    const holder = `exec unshare --pid sh -c '"$@"; echo over; read held' sh "$@"`;
    const child = spawn("sh", ["-c", holder, "sh", ...pod]);
    held.push(child);
    assert.equal(String(await once(child.stdout, "data")), "over\n");
  };
  const statusOf = async (task: Task) => (await task.status()).status;

  it("of one container fails with its shim, and of the others does not", async () => {
    const client = await home("sick");
    const [first, second] = [await run(client, "c1"), await run(client, "c2")];
    for (const id of ["c1", "c2"]) await leave(client, id);
    const sick = new Client({
      namespace: "sick",
      transport: withSickTask(unixTransport(socket), "c1"),
    });
    clients.push(sick);
    const recovered = await sick.recover();
    assert.deepEqual(
      recovered.map(({ containerId, pause, error }) => [containerId, pause, error?.message]),
      [
        ["c1", "failed", "ttrpc: closed"],
        ["c2", "resumed", undefined],
      ],
    );
    assert.deepEqual([await statusOf(first), await statusOf(second)], ["paused", "running"]);
    const { operations, removed, kept } = await sick.sweep();
    assert.deepEqual(
      operations.map(({ pause }) => pause),
      ["failed", "nothing"],
    );
    assert.match(kept.join(), /^lease containerd-client-checkpoint-[^,]*: ttrpc: closed$/);
    assert.ok(removed.some((what) => what.startsWith("lease containerd-client-checkpoint-")));
    const healthy = await client.sweep();
    assert.deepEqual([healthy.operations.map(({ pause }) => pause), healthy.kept], [["resumed"], []]);
    assert.equal(await statusOf(first), "running");
  });

  it("is given up when it is the daemon that does not answer", async () => {
    const client = await home("away");
    await run(client, "c1");
    await leave(client, "c1");
    const after = (count: number, ...names: readonly string[]) => {
      let answers = count;
      const transport = listenedIn(unixTransport(socket), ({ name }) => {
        if (names.includes(name) && answers-- <= 0) throw new ConnectError("connection refused", Code.Unavailable);
      });
      return new Client({ transport, namespace: "away" });
    };
    const [gone, sick] = [after(1, "List", "ListResources"), after(0, "ListResources")];
    await assert.rejects(gone.recover({ dryRun: true }), isUnavailable);
    const [recovered] = await sick.recover({ dryRun: true });
    assert.equal(recovered?.pause, "failed");
    for (const each of [gone, sick]) await each.close();
    await client.sweep();
  });

  it("goes on to the next namespace, and says by its exit code that something failed", async () => {
    const [one, broken, third] = [await home("one"), await home("broken"), await home("third")];
    const dead = { ...ownOwner(), pid: 1, startTicks: "0", instance: "another" };
    const labels = (id: string, file: string) => ({
      [OperationLabel.kind]: "restore",
      [OperationLabel.id]: id,
      [OperationLabel.container]: "c",
      [OperationLabel.owner]: JSON.stringify(dead),
      [OperationLabel.file]: file,
    });
    // It cannot be seen whose file that is.
    await writeFile(join(bed.directory, "plain"), "");
    const file = join(bed.directory, "plain", "c.criu.conf");
    for (const client of [one, third]) {
      for (const [id, at] of [
        ["l1", file],
        ["l2", ""],
      ] as const)
        await client.leases.create({ id, labels: labels(id, client === one ? at : "") });
    }
    // As a containerd tells that its root is the same directory here; and where the dumps of one namespace would be, there is a file.
    const root = join(bed.directory, "root");
    const identity = join(root, "io.containerd.grpc.v1.introspection");
    for (const directory of [identity, join(root, "containerd-client")]) await mkdir(directory, { recursive: true });
    await writeFile(join(identity, "uuid"), (await broken.introspection.server()).uuid);
    await writeFile(join(root, "containerd-client", broken.namespace), "");
    const cli = (...args: string[]) =>
      runCommand(process.execPath, [CLI, ...args, "--all-namespaces", "--address", socket], { allowFailure: true });
    const { code, stdout } = await cli("sweep");
    assert.equal(code, 1);
    assert.match(stdout, /^broken: .*ENOTDIR/m);
    assert.match(stdout, /^one: restore of container c \(l1\): it had paused nothing: .*c\.criu\.conf/m);
    assert.match(stdout, /^one: removed: lease l2$/m);
    assert.match(stdout, /^third: removed: lease l1$/m);
    const again = await cli("sweep", "--json");
    assert.equal(again.code, 1);
    const reports = JSON.parse(again.stdout) as readonly {
      readonly namespace: string;
      readonly error?: { readonly message: string };
      readonly operations: readonly { readonly error?: { readonly message: string } }[];
    }[];
    const report = (namespace: string) => reports.find((each) => each.namespace === namespace);
    assert.match(report("broken")?.error?.message ?? "", /ENOTDIR/);
    assert.match(report("one")?.operations[0]?.error?.message ?? "", /c\.criu\.conf/);
    assert.equal((await cli("recover")).code, 0);
    for (const directory of [identity, join(root, "containerd-client")]) await rm(directory, { recursive: true });
  });

  /** The word of operations on leases. */
  const words = async (client: Client): Promise<string[]> => {
    const ids: string[] = [];
    for await (const lease of client.leases.list())
      for await (const { id } of client.leases.resources(lease))
        if (id.startsWith("containerd-client-intent/")) ids.push(id);
    return ids;
  };
  const leasesOf = async (client: Client): Promise<string[]> => (await all(client.leases.list())).map(({ id }) => id);

  it("finds what a living process gave up, and that forgets it then", async () => {
    const client = await home("given-up");
    const task = await run(client, "c1");
    for (const next of ["recover", "checkpoint"]) {
      const service = new Client({ transport: withStuckTask(unixTransport(socket), "c1"), namespace: "given-up" });
      clients.push(service);
      await assert.rejects(service.checkpoint("c1", "cp:1"), (reason) => {
        assert.ok(isContainerdError(reason));
        assert.match(String(reason.operation?.leftBehind), /lease containerd-client-checkpoint-/);
        return true;
      });
      assert.equal(await statusOf(task), "paused");
      assert.ok((await words(client)).some((word) => word.includes("/given-up/")));
      const said =
        next === "checkpoint"
          ? await checkpoint(client, "c1")
          : await programOf(process.execPath, [CLI, "recover", "-a", socket, "-n", "given-up"]);
      assert.match(said, next === "checkpoint" ? /^succeeded, guarded true$/m : /the task runs again/);
      assert.equal(await statusOf(task), "running");
      for (let waitedMs = 0; (await leasesOf(client)).length > 0; waitedMs += 50) {
        assert.ok(waitedMs < 60_000, "the lease stays");
        await sleep(50);
      }
    }
  });

  it("keeps the only copy of a memory that a living process was left with, and nobody waits for that", async () => {
    const client = await home("rescued");
    const task = await run(client, "c1");
    const transport = listenedIn(unixTransport(socket), ({ parent, name }) => {
      if (parent.typeName.endsWith("images.v1.Images") && name === "Create") {
        throw new ConnectError("no more images", Code.Unknown);
      }
    });
    const service = new Client({ transport, namespace: "rescued" });
    clients.push(service);
    const options = [withCheckpointTask({ openTcp: true }), withCheckpointTaskExit()];
    await assert.rejects(service.checkpoint("c1", "cp:1", options), (reason) => {
      assert.ok(isContainerdError(reason));
      assert.match(String(reason.operation?.leftBehind), /the memory of a task that criu has ended/);
      return true;
    });
    const leases = await leasesOf(client);
    assert.equal(leases.length, 1);
    await task.delete({ force: true });
    await (await (await client.containers.get("c1")).newTask()).start();
    assert.match(await checkpoint(client, "c1"), /^succeeded/);
    assert.deepEqual(await leasesOf(client), leases);
  });

  it("knows what an operation made by its name, whatever other names that was given", async () => {
    const client = await home("tagged");
    await run(client, "c1");
    const call = { operationId: "nightly" };
    await client.checkpoint("c1", "counter:frozen", [], call);
    const { target, labels } = await client.images.get("counter:frozen");
    for (const name of ["a:backup", "z:backup"]) await client.images.create(name, target, { labels });
    assert.equal((await client.checkpoint("c1", "counter:frozen", [], call)).ref, "counter:frozen");
    await assert.rejects(client.checkpoint("c1", "counter:other", [], call), isFailedPrecondition);
    await run(client, "c2");
    await assert.rejects(client.checkpoint("c2", "counter:frozen", [], call), isFailedPrecondition);
  });

  describe("of a checkpoint made in a container", { skip: process.getuid?.() !== 0 && "only root makes one" }, () => {
    /** As if the pause had begun long ago. */
    const age = async (client: Client, { pid }: Task) => {
      const [lease] = await all(client.leases.list());
      assert.ok(lease);
      for (const resource of await all(client.leases.resources(lease))) {
        if (!resource.id.startsWith("containerd-client-intent/paused/")) continue;
        await client.leases.deleteResource(lease, resource);
        await client.content.abort(resource.id).catch(() => {});
      }
      const overdue = `containerd-client-intent/paused/${pid}/${Date.now() - 120_000}`;
      await client.leases.addResource(lease, { type: "ingests", id: overdue });
    };

    it("is done by the machine, which sees that it is gone and says so to others", async (context) => {
      if ((await readlink("/proc/self/ns/pid")) !== "pid:[4026531836]") return context.skip("this is no whole machine");
      const client = await home("pod-host");
      const task = await run(client, "c1");
      await leaveInPod(client, "c1");
      assert.equal(await statusOf(task), "paused");
      assert.deepEqual(
        (await client.recover()).map(({ pause }) => pause),
        ["resumed"],
      );
      assert.equal(await statusOf(task), "running");
      assert.match(await inPod(VICTIM, socket, client.namespace, "c1"), /^succeeded/);
      assert.deepEqual(await leasesOf(client), []);
    });

    it("is done by another container when its pause is overdue, and stands in nobody's way then", async () => {
      const client = await home("pod-again");
      const task = await run(client, "c1");
      const again = () => inPod(VICTIM, socket, client.namespace, "c1");
      await leaveInPod(client, "c1");
      assert.match(await again(), /CheckpointInProgressError/);
      assert.equal(await statusOf(task), "paused");
      await age(client, task);
      assert.equal(await again(), "succeeded, guarded false\n");
      assert.equal(await statusOf(task), "running");
      assert.deepEqual(await leasesOf(client), []);
    });

    it("leaves it to a later sweep to remove the rest", async () => {
      const client = await home("pod-sweep");
      const task = await run(client, "c1");
      const command = (name: string) => inPod(CLI, name, "-a", socket, "-n", client.namespace);
      await leaveInPod(client, "c1");
      assert.match(await command("recover"), /nothing to do/);
      await age(client, task);
      assert.match(await command("recover"), /the task runs again/);
      assert.match(await command("sweep"), /removed: lease containerd-client-checkpoint-/);
      assert.deepEqual(await leasesOf(client), []);
      assert.equal(await statusOf(task), "running");
    });
  });
});
