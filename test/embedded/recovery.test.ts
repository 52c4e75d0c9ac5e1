import assert from "node:assert/strict";
import { type ExecFileException, execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";
import { repositoryRoot } from "../../lab/repository.js";
import { Client } from "../../src/client/client.js";
import { OperationLabel } from "../../src/client/recovery/operation-record.js";
import { ownOwner } from "../../src/client/recovery/owner.js";
import type { Task } from "../../src/client/task.js";
import { isUnavailable } from "../../src/errors.js";
import { unixTransport } from "../../src/rpc/transport.js";
import { type EmbeddedBed, embeddedBed } from "./beds.js";
import { listenedIn, withSickTask } from "./sick-transport.js";
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
  /** Pauses the container for a checkpoint, and dies of it. */
  const leave = async ({ namespace }: Client, id: string): Promise<void> => {
    const died = (reason: ExecFileException) => assert.equal(reason.signal, "SIGKILL");
    await promisify(execFile)(process.execPath, [VICTIM, socket, namespace, id, "Checkpoint"]).then(
      ({ stdout }) => assert.fail(stdout),
      died,
    );
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
    // A file that is none cannot be removed as one.
    const file = join(bed.directory, "c.criu.conf");
    await mkdir(file);
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
      promisify(execFile)(process.execPath, [CLI, ...args, "--all-namespaces", "--address", socket]).then(
        ({ stdout }) => ({ code: 0, stdout }),
        ({ code, stdout }: { readonly code: number; readonly stdout: string }) => ({ code, stdout }),
      );
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
  });
});
