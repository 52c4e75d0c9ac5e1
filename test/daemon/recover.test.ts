import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, afterEach, before, beforeEach, it } from "node:test";
import { promisify } from "node:util";
import { repositoryRoot } from "../../lab/repository.js";
import { type Client, type Container, connect, isFailedPrecondition, type Task } from "../../src/index.js";
import type { Lease, LeaseResource } from "../../src/leases/index.js";
import { Relay } from "../rpc/relay.js";
import { assertNothingLeft, taskState } from "./audit.js";
import { startChild } from "./child.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import type { ChildWork } from "./operation-child.js";
import { describeOnEachDaemon } from "./releases.js";

/** The file by which the kernel freezes a process's cgroup, and what to write to it. */
async function freezerOf(pid: number): Promise<{ path: string; frozen: string; thawed: string }> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, "utf8")).split("\n");
  const v1 = lines.map((line) => line.split(":")).find(([, controllers]) => controllers === "freezer");
  if (v1 !== undefined) {
    return { path: join("/sys/fs/cgroup/freezer", v1[2] ?? "", "freezer.state"), frozen: "FROZEN", thawed: "THAWED" };
  }
  const unified = lines.map((line) => line.split(":")).find(([number]) => number === "0")?.[2] ?? "";
  return { path: join("/sys/fs/cgroup", unified, "cgroup.freeze"), frozen: "1", thawed: "0" };
}

describeOnEachDaemon("recovery", (daemon) => {
  let client: Client;
  let container: Container;
  let task: Task;
  let serial = 0;

  before(async () => {
    client = await clientFor(daemon(), "recovery");
  });
  after(() => client.close());
  beforeEach(async () => {
    ({ container, task } = await start(client, `r${++serial}`));
    await countsBeyond(client, container, 2);
  });
  afterEach(async () => {
    await client.sweep();
    if ((await state()) === "PAUSED") await task.resume();
    await discard(container);
    for await (const image of client.images.list())
      if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
    await assertNothingLeft(daemon(), client);
  });

  const state = () => taskState(daemon(), client, container.id);
  const work = (more: Partial<ChildWork>): ChildWork => {
    const { address } = daemon();
    return { address, namespace: client.namespace, id: container.id, ref: "cp:1", guardian: false, ...more };
  };
  /** Lets a process pause the task and die of it, with nobody to help. */
  const die = async (more: Partial<ChildWork> = {}) => {
    const child = startChild(work({ dieIn: "capture", ...more }));
    const said = await child.ended();
    assert.ok(said.includes(more.dieIn ?? "capture"), said.join(", "));
    return child;
  };
  /** The leases of checkpoints. */
  const ours = async () => {
    const leases: Lease[] = [];
    for await (const lease of client.leases.list()) {
      if (lease.id.startsWith("containerd-client-checkpoint-")) leases.push(lease);
    }
    return leases;
  };
  const runs = async () => {
    assert.equal(await state(), "RUNNING");
    await countsBeyond(client, container, await countOf(client, container));
  };

  it("resumes what a dead process had paused, and says so", async () => {
    const child = await die();
    assert.equal(await state(), "PAUSED");
    const dry = await client.recover({ dryRun: true });
    assert.deepEqual(
      dry.map(({ pause }) => pause),
      ["paused"],
    );
    assert.equal(await state(), "PAUSED");
    const [recovered, ...others] = await client.recover();
    assert.deepEqual(others, []);
    assert.ok(recovered);
    const { kind, containerId, ref, pid, pause } = recovered;
    assert.deepEqual(
      { kind, containerId, ref, pid, pause },
      { kind: "checkpoint", containerId: container.id, ref: "cp:1", pid: child.pid, pause: "resumed" },
    );
    await runs();
    const [again] = await client.recover();
    assert.equal(again?.pause, "nothing");
  });

  it("is done at connect, when it is asked for", async () => {
    await die();
    const { address } = daemon();
    const other = await connect({ address, namespace: client.namespace });
    assert.equal(await state(), "PAUSED");
    await other.close();
    await (await connect({ address, namespace: client.namespace, recover: true })).close();
    await runs();
  });

  it("is done from the command line, in words and in JSON", async () => {
    await die();
    const program = join(repositoryRoot(), "dist/cli/main.js");
    const cli = async (...args: string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)(process.execPath, [program, ...args, "--address", daemon().address]);
      return stdout;
    };
    const dry = await cli("recover", "--dry-run", "--namespace", client.namespace);
    assert.match(
      dry,
      new RegExp(`^${client.namespace}: checkpoint of container ${container.id} .*would be resumed\n$`),
    );
    assert.equal(await state(), "PAUSED");
    const reports = JSON.parse(await cli("recover", "--json", "--all-namespaces")) as {
      readonly namespace: string;
      readonly operations: readonly { readonly pause: string }[];
    }[];
    const report = reports.find(({ namespace }) => namespace === client.namespace);
    assert.deepEqual(
      report?.operations.map(({ pause }) => pause),
      ["resumed"],
    );
    await runs();
    assert.match(await cli("sweep", "-n", client.namespace), /removed: lease containerd-client-checkpoint-/);
    // Named pipes are of no namespace, and another test's process may die at any time.
    assert.match(await cli("sweep", "-n", client.namespace), /nothing to do|removed: directory .*\/fifo\//);
    await assert.rejects(cli("mend"), (reason: { readonly code?: unknown; readonly stderr?: unknown }) => {
      assert.equal(reason.code, 2);
      assert.match(String(reason.stderr), /Expected recover or sweep, got "mend"/);
      return true;
    });
  });

  it("leaves alone what a living process is at", async () => {
    const child = startChild(work({ dieIn: "capture", signal: "SIGSTOP" }));
    await child.says("capture");
    try {
      assert.deepEqual(await client.recover(), []);
      const { operations, removed } = await client.sweep();
      assert.deepEqual({ operations, removed }, { operations: [], removed: [] });
    } finally {
      child.process.kill("SIGCONT");
    }
    const said = await child.ended();
    assert.ok(said.includes("succeeded"), said.join(", "));
    await runs();
  });

  it("believes a process elsewhere alive until its pause has lasted longer than it allowed", async () => {
    await die({ maxPausedMs: 1_000 });
    const [lease] = await ours();
    assert.ok(lease);
    const owner = JSON.parse(lease.labels["containerd-client.operation.owner"] ?? "") as object;
    const resources: LeaseResource[] = [];
    for await (const resource of client.leases.resources(lease)) resources.push(resource);
    const intent = resources.find(({ id }) => id.startsWith("containerd-client-intent/paused/"));
    assert.ok(intent);
    await client.recover();
    await client.sweep();
    await task.freeze();
    const labels = {
      ...lease.labels,
      "containerd-client.operation.owner": JSON.stringify({ ...owner, bootId: "elsewhere", host: "elsewhere 1" }),
    };
    const elsewhere = await client.leases.create({ id: lease.id, labels });
    const [, , pid] = intent.id.split("/");
    const until = (ms: number) => ({ ...intent, id: `containerd-client-intent/paused/${pid}/${Date.now() + ms}` });
    const [lasting, over] = [until(0), until(-120_000)];
    await client.leases.addResource(elsewhere, lasting);
    assert.deepEqual(await client.recover(), []);
    assert.equal(await state(), "PAUSED");
    await client.leases.deleteResource(elsewhere, lasting);
    await client.leases.addResource(elsewhere, over);
    const [recovered] = await client.recover();
    assert.equal(recovered?.pause, "resumed");
    await runs();
    await client.leases.delete(elsewhere);
  });

  it("leaves paused what somebody else has paused before", async () => {
    await daemon().ctr(["-n", client.namespace, "task", "pause", container.id]);
    await die({ guardian: true });
    const [recovered] = await client.recover();
    assert.equal(recovered?.pause, "nothing");
    assert.equal(await state(), "PAUSED");
  });

  it("leaves paused what somebody else has paused since", async () => {
    await die({ dieIn: "prepare" });
    await daemon().ctr(["-n", client.namespace, "task", "pause", container.id]);
    const [recovered] = await client.recover();
    assert.equal(recovered?.pause, "nothing");
    assert.equal(await state(), "PAUSED");
  });

  it("leaves a task alone that was made anew since", async () => {
    await die();
    await daemon().ctr(["-n", client.namespace, "task", "resume", container.id]);
    await task.delete({ force: true });
    task = await container.newTask();
    await task.start();
    await daemon().ctr(["-n", client.namespace, "task", "pause", container.id]);
    const [recovered] = await client.recover();
    assert.equal(recovered?.pause, "gone");
    assert.equal(await state(), "PAUSED");
  });

  it("heals a task that the kernel lets run and the shim believes paused", async () => {
    await die();
    const { path, thawed } = await freezerOf(task.pid);
    await writeFile(path, thawed);
    await assert.rejects(task.resume(), isFailedPrecondition);
    await assert.rejects(task.freeze(), isFailedPrecondition);
    const [recovered] = await client.recover();
    assert.equal(recovered?.pause, "healed");
    await runs();
    await using _pause = await task.pause();
  });

  it("heals such a task whose first process has gone into a cgroup below the container's", async () => {
    const { path, thawed } = await freezerOf(task.pid);
    const below = join(dirname(path), "init.scope");
    await mkdir(below);
    await writeFile(join(below, "cgroup.procs"), `${task.pid}`);
    await countsBeyond(client, container, (await countOf(client, container)) + 2);
    await die();
    await writeFile(path, thawed);
    const [recovered] = await client.recover();
    assert.equal(recovered?.pause, "healed");
    await runs();
    await using _pause = await task.pause();
  });

  it("of such a task from afar says so, keeps the word about it, and makes no checkpoint of it", async () => {
    await using relay = await Relay.listen({ port: 0, host: "127.0.0.1" }, { path: daemon().address });
    await using far = await connect({ address: `tcp://127.0.0.1:${relay.port}`, namespace: client.namespace });
    await die();
    const { path, thawed } = await freezerOf(task.pid);
    await writeFile(path, thawed);
    const [recovered] = await far.recover();
    assert.equal(recovered?.pause, "split");
    await assert.rejects(
      promisify(execFile)(process.execPath, [
        join(repositoryRoot(), "dist/cli/main.js"),
        ...["recover", "--address", `tcp://127.0.0.1:${relay.port}`, "--namespace", client.namespace],
      ]),
      { code: 1 },
    );
    const { kept, removed } = await far.sweep();
    assert.match(kept.join(), /it says that the task of container r\d+ is paused/);
    assert.deepEqual(removed, []);
    const same = await far.containers.get(container.id);
    await assert.rejects(same.checkpoint("cp:1"), (reason) => {
      assert.ok(isFailedPrecondition(reason));
      assert.match(reason.hint ?? "", /containerd-client recover/);
      return true;
    });
    const [healed] = await client.recover();
    assert.equal(healed?.pause, "healed");
    await runs();
  });

  it("heals a task that the kernel holds and the shim believes running", async () => {
    await die();
    await daemon().ctr(["-n", client.namespace, "task", "resume", container.id]);
    const { path, frozen } = await freezerOf(task.pid);
    await writeFile(path, frozen);
    const [recovered] = await client.recover();
    assert.equal(recovered?.pause, "healed");
    await runs();
    await using _pause = await task.pause();
  });

  it("ends a pause of ours that was split while it lasted", async () => {
    const pause = await task.pause();
    const { path, thawed } = await freezerOf(task.pid);
    await writeFile(path, thawed);
    await pause[Symbol.asyncDispose]();
    await runs();
    await using _again = await task.pause();
  });

  it("comes by itself with the next checkpoint of the container", async () => {
    await die();
    assert.equal(await state(), "PAUSED");
    const { cost, leftBehind } = await container.checkpoint("cp:1");
    assert.ok(cost.pausedMs > 0);
    assert.deepEqual(leftBehind, []);
    await runs();
    assert.deepEqual(await client.recover(), []);
  });
});
