import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, it } from "node:test";
import { busyboxPath } from "../../lab/busybox.js";
import { packSpec } from "../../src/client/spec-any.js";
import {
  type Client,
  type Container,
  type CreateContainerOptions,
  isFailedPrecondition,
  streamIO,
  type Task,
  withCheckpointImage,
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
} from "../../src/index.js";
import { withMemoryLimit, withMounts, withPidsLimit, withReadonlyRootFS } from "../../src/oci/index.js";
import { assertNothingLeft } from "./audit.js";
import { ContainerBed } from "./container-bed.js";
import { COUNT, countOf, countsBeyond, discard, IMAGE } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

const MIB = 1024 * 1024;
const CAP_SYS_RESOURCE = 24n;
const shell = (script: string) => ["sh", "-c", script];
const countInto = (path: string) =>
  shell(`i=0; while :; do i=$((i+1)); echo $i > ${path}.new; mv ${path}.new ${path}; sleep 0.05; done`);

describeOnEachDaemon("a container frozen and thawed", (daemon) => {
  const bed = new ContainerBed(daemon, "kinds");
  const { next, keep, drop } = bed;
  let client: Client;
  before(() => {
    client = bed.client;
  });

  const run = async (options: Partial<CreateContainerOptions>): Promise<{ container: Container; task: Task }> => {
    const container = keep(await client.containers.create(next(), { image: IMAGE, args: COUNT, ...options }));
    const task = await container.newTask();
    await task.start();
    return { container, task };
  };

  /** What a command in the container prints; it must succeed. */
  const ask = async (task: Task, script: string): Promise<string> => {
    const exec = await task.exec(next(), shell(script), { io: streamIO() });
    assert.ok(exec.io.stdout);
    const printed = text(exec.io.stdout);
    const exit = exec.wait();
    await exec.start();
    const { exitStatus } = await exit;
    await exec.delete();
    assert.equal(exitStatus, 0, script);
    return (await printed).trim();
  };

  /** Asks until the answer is another than this one. */
  const changesFrom = async (task: Task, script: string, answer: string): Promise<string> => {
    for (let tries = 0; tries < 100; tries++) {
      const now = await ask(task, script);
      if (now !== answer) return now;
    }
    throw new Error(`${script} still answers ${answer}`);
  };

  const thaw = async (ref: string): Promise<{ copy: Container; task: Task }> => {
    const copy = keep(await client.restore(next(), ref));
    const task = await copy.newTask({ checkpoint: ref });
    await task.start();
    return { copy, task: await copy.task() };
  };

  const frozenAndThawed = async (container: Container) => {
    await container.checkpoint("cp:1");
    return thaw("cp:1");
  };

  it("with many processes", async () => {
    const { container, task } = await run({
      args: shell("mkfifo /never; exec 3<>/never; for i in $(seq 12); do (read x <&3) & done; wait"),
    });
    while ((await task.pids()).length < 13) await ask(task, "sleep 0.05");
    const thawed = await frozenAndThawed(container);
    assert.equal((await thawed.task.pids()).length, 13);
    assert.equal((await task.pids()).length, 13);
  });

  it("with limits, which hold again", async () => {
    const limits = { memory: 64 * MIB, pids: 37 };
    const { container, task } = await run({ spec: [withMemoryLimit(limits.memory), withPidsLimit(limits.pids)] });
    await countsBeyond(client, container, 2);
    assert.deepEqual(await limitsOf(task.pid), limits);
    const thawed = await frozenAndThawed(container);
    assert.deepEqual(await limitsOf(thawed.task.pid), limits);
    const { resources } = (await thawed.copy.spec()).linux ?? {};
    assert.equal(Number(resources?.memory?.limit), limits.memory);
    assert.equal(Number(resources?.pids?.limit), limits.pids);
    await countsBeyond(client, thawed.copy, await countOf(client, thawed.copy));
  });

  it("whose root filesystem is read-only", async () => {
    const { container, task } = await run({ args: countInto("/dev/shm/count"), spec: [withReadonlyRootFS()] });
    await changesFrom(task, "cat /dev/shm/count || true", "");
    const thawed = await frozenAndThawed(container);
    await changesFrom(thawed.task, "cat /dev/shm/count", await ask(thawed.task, "cat /dev/shm/count"));
    assert.equal(await ask(thawed.task, "touch /made 2> /dev/null || echo refused"), "refused");
  });

  it("that runs as a user of the image's, where the daemon may dump other users", async () => {
    const { container, task } = await run({ args: countInto("/data/count"), user: "app" });
    await changesFrom(task, "cat /data/count || true", "");
    const ids = await ask(task, "grep -E '^(Uid|Gid|Groups|CapEff)' /proc/1/status");
    assert.match(ids, /Uid:\s+1000/);
    if (!(await hasCapability(daemon().pid, CAP_SYS_RESOURCE))) {
      await assert.rejects(container.checkpoint("cp:1"), (reason) => {
        assert.ok(isFailedPrecondition(reason), String(reason));
        assert.match(reason.hint ?? "", /CAP_SYS_RESOURCE/);
        assert.equal(reason.operation?.taskStatus, "running");
        return true;
      });
      await changesFrom(task, "cat /data/count", await ask(task, "cat /data/count"));
      return;
    }
    const thawed = await frozenAndThawed(container);
    await changesFrom(thawed.task, "cat /data/count", await ask(thawed.task, "cat /data/count"));
    assert.equal(await ask(thawed.task, "grep -E '^(Uid|Gid|Groups|CapEff)' /proc/1/status"), ids);
    assert.equal(await ask(thawed.task, "id -u"), "1000");
  });

  it("in the host's network", async () => {
    const { container } = await run({ hostNetwork: true });
    await countsBeyond(client, container, 2);
    const { copy, task } = await frozenAndThawed(container);
    assert.equal(await readlink(`/proc/${task.pid}/ns/net`), await readlink(`/proc/${daemon().pid}/ns/net`));
    await countsBeyond(client, copy, await countOf(client, copy));
  });

  it("with a directory of the host's, whose files go on where they were", async () => {
    const source = join(daemon().directory, "shared");
    await mkdir(source);
    const mount = { destination: "/shared", type: "bind", source, options: ["rbind", "rw"] };
    const { container, task } = await run({
      args: shell("exec 3>> /shared/log; i=0; while :; do i=$((i+1)); echo $i >&3; sleep 0.05; done"),
      spec: [withMounts(mount)],
    });
    await changesFrom(task, "cat /shared/log || true", "");
    await container.checkpoint("cp:1", [withCheckpointTask(), withCheckpointRW(), withCheckpointTaskExit()]);
    const log = async () => (await readFile(join(source, "log"), "utf8")).trim().split("\n").map(Number);
    const frozen = (await log()).length;
    const thawed = await thaw("cp:1");
    while ((await log()).length < frozen + 5) await ask(thawed.task, "sleep 0.05");
    const numbers = await log();
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at + 1),
    );
  });

  it("with files made, changed, moved, linked and deleted", async () => {
    const script = `
      echo new > /data/made; echo more >> /etc/group; rm /etc/passwd; rm -rf /home
      mkdir -p /moved/deep; mv /data/made /moved/deep/; mv /moved/deep /moved/deeper
      echo linked > /data/one; ln /data/one /data/two; ln -s one /data/three; ln -s /nowhere /data/four
      cp /bin/busybox /data/root; chown 1000:50 /data/root; chmod 6755 /data/root; chmod 1777 /moved
      mknod /data/pipe p; rm -rf /var; mkdir /var; touch -d '2001-02-03 04:05:06' /data/old
      echo odd > "/data/a b	c"; mkdir /data/"  "; : > /data/empty; head -c 100000 /dev/zero > /data/zeros
      touch /ready; while :; do sleep 1; done`;
    const { container, task } = await run({ args: shell(script) });
    while ((await ask(task, "ls /")).split("\n").includes("ready") === false) await ask(task, "sleep 0.05");
    const list = `cd /; find . -xdev ! -path './bin/*' ! -path './dev/*' ! -path './proc*' ! -path './sys*' ! -path './run/*' | sort |
      while IFS= read -r f; do
        stat -c '%n %F %a %u %g %h' "$f"
        if [ -L "$f" ]; then readlink "$f"; elif [ -f "$f" ]; then stat -c '%s %Y' "$f"; md5sum < "$f"; fi
      done`;
    const before = await ask(task, list);
    for (const name of [
      "./moved/deeper/made",
      "./data/a b\tc",
      "./data/pipe fifo 644",
      "./data/root regular file 6755 1000 50",
    ])
      assert.ok(before.includes(name), `${name} in:\n${before}`);
    assert.ok(!before.includes("./etc/passwd") && !before.includes("./home"));
    const thawed = await frozenAndThawed(container);
    assert.equal(await ask(thawed.task, list), before);
  });

  it("with 50 MiB of files of its own", async () => {
    const { container, task } = await run({
      args: shell(`head -c ${50 * MIB} /dev/urandom > /big; touch /ready; while :; do sleep 1; done`),
    });
    while ((await ask(task, "ls /")).split("\n").includes("ready") === false) await ask(task, "sleep 0.05");
    const sum = await ask(task, "sha256sum /big");
    const { cost } = await container.checkpoint("cp:1");
    assert.ok(cost.bytes.rw > 50 * MIB);
    const thawed = await thaw("cp:1");
    assert.equal(await ask(thawed.task, "sha256sum /big"), sum);
  });

  it("is measured as any other", async () => {
    const { container } = await run({});
    await countsBeyond(client, container, 2);
    const { task } = await frozenAndThawed(container);
    const metrics = await task.metrics();
    assert.ok(metrics && metrics.data.value.length > 0);
  });

  it("beside a process that was brought in, which stays with the original", async () => {
    const { container, task } = await run({});
    await countsBeyond(client, container, 2);
    const guest = await task.exec("guest", ["sleep", "100000"]);
    await guest.start();
    const thawed = await frozenAndThawed(container);
    await countsBeyond(client, thawed.copy, await countOf(client, thawed.copy));
    assert.equal((await guest.status()).status, "running");
    assert.equal(await ask(thawed.task, "grep -c '10000[0]' /proc/[0-9]*/cmdline | grep -c ':1$' || true"), "0");
    await guest.kill("SIGKILL");
    await guest.wait();
    await guest.delete();
  });

  it("is refused with its task, but not without, before it was started", async () => {
    const container = keep(await client.containers.create(next(), { image: IMAGE, args: COUNT }));
    const task = await container.newTask();
    await assert.rejects(container.checkpoint("cp:1"), (reason) => {
      assert.ok(isFailedPrecondition(reason), String(reason));
      assert.match(reason.message, /is created/);
      return true;
    });
    await container.checkpoint("cp:1", [withCheckpointImage(), withCheckpointRW()]);
    await task.start();
    await countsBeyond(client, container, 2);
  });

  it("whose record names no image", async () => {
    const made = keep(await client.containers.create(next(), { image: IMAGE, args: COUNT }));
    const { spec, snapshotter, runtime } = await made.info();
    assert.ok(spec);
    const id = next();
    await using lease = await client.leases.create();
    const { chainId } = await (await client.images.get(IMAGE)).rootFS();
    assert.ok(chainId);
    await client.snapshots(snapshotter).prepare(id, chainId, { lease });
    const container = keep(await client.containers.register({ id, spec, snapshotKey: id, snapshotter, runtime }));
    const task = await container.newTask();
    await task.start();
    await countsBeyond(client, container, 2);
    await assert.rejects(container.checkpoint("cp:1", [withCheckpointImage()]), /it was not made from one/);
    const { image } = await container.checkpoint("cp:1");
    assert.deepEqual([image.name, image.descriptor], [undefined, undefined]);
    const { copy } = await thaw("cp:1");
    await countsBeyond(client, copy, await countOf(client, copy));
    assert.equal((await copy.info()).image, "");
  });

  it("over a directory instead of a snapshot", async () => {
    const root = join(daemon().directory, "rootfs");
    await rootDirectory(root);
    const made = keep(await client.containers.create(next(), { image: IMAGE, args: countInto("/count") }));
    const [spec, { runtime }] = [await made.spec(), await made.info()];
    await drop(made);
    spec.root = { path: root };
    const container = keep(await client.containers.register({ id: made.id, spec: packSpec(spec), runtime }));
    const task = await container.newTask();
    await task.start();
    await changesFrom(task, "cat /count || true", "");
    await assert.rejects(container.checkpoint("cp:1", [withCheckpointRW()]), (reason) => {
      assert.ok(isFailedPrecondition(reason), String(reason));
      assert.match(reason.message, /it has no snapshot/);
      return true;
    });
    // Its files are in no checkpoint: they stay as the memory knows them only when nobody goes on with them.
    const { rw } = await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    assert.equal(rw, undefined);
    await task.wait();
    const { copy, task: thawed } = await thaw("cp:1");
    await changesFrom(thawed, "cat /count", await ask(thawed, "cat /count"));
    assert.equal((await copy.info()).snapshotKey, "");
  });

  it("in another namespace, under the same id, beside the living original", async () => {
    const { container } = await run({});
    await countsBeyond(client, container, 2);
    await container.checkpoint("cp:1");
    const other = client.inNamespace("kinds-elsewhere");
    await other.images.copyFrom(client, "cp:1");
    const copy = await other.restore(container.id, "cp:1");
    try {
      const task = await copy.newTask({ checkpoint: "cp:1" });
      await task.start();
      await countsBeyond(other, copy, await countOf(other, copy));
      await countsBeyond(client, container, await countOf(client, container));
      assert.equal((await copy.spec()).linux?.cgroupsPath, `/kinds-elsewhere/${container.id}`);
    } finally {
      await discard(copy);
      await other.images.delete("cp:1", { sync: true });
    }
    await assertNothingLeft(daemon(), other);
  });
});

async function hasCapability(pid: number, capability: bigint): Promise<boolean> {
  const [, mask = "0"] = /^CapEff:\s*(\S+)$/m.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  return ((BigInt(`0x${mask}`) >> capability) & 1n) === 1n;
}

/** The limits of the cgroup a process is in, read from the kernel. */
async function limitsOf(pid: number): Promise<{ memory: number; pids: number }> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, "utf8")).trim().split("\n");
  const read = async (controller: string, first: string, second: string): Promise<number> => {
    const own = lines.map((line) => line.split(":")).find(([, names = ""]) => names.split(",").includes(controller));
    const path = own === undefined ? lines.find((line) => line.startsWith("0::"))?.slice(3) : own[2];
    const directory = join("/sys/fs/cgroup", own === undefined ? "" : controller, path ?? "");
    const file = [first, second].map((name) => join(directory, name)).find((name) => existsSync(name));
    assert.ok(file, `no limit in ${directory}`);
    return Number(await readFile(file, "utf8"));
  };
  return {
    memory: await read("memory", "memory.limit_in_bytes", "memory.max"),
    pids: await read("pids", "pids.max", "pids.max"),
  };
}

/** A root filesystem in a plain directory. */
async function rootDirectory(path: string): Promise<void> {
  for (const name of ["bin", "dev", "proc", "sys", "run", "tmp", "etc"])
    await mkdir(join(path, name), { recursive: true });
  await copyFile(await busyboxPath(), join(path, "bin/busybox"));
  for (const applet of ["sh", "sleep", "mv", "cat"]) await symlink("busybox", join(path, "bin", applet));
}
