import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { busyboxPath } from "../../lab/busybox.js";
import { type Daemon, startDaemon } from "../../lab/daemon.js";
import { Docker } from "../../lab/docker.js";
import {
  type Client,
  type Container,
  connect,
  isAlreadyExists,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
  streamIO,
} from "../../src/index.js";
import type { Spec } from "../../src/oci/index.js";
import { writeTar } from "../../src/tar/tar.js";
import { all, bytesOf } from "../suites/content-bed.js";
import { discard, upperOf } from "./counter.js";
import { testedReleases } from "./releases.js";

const COUNT = "i=0; while :; do i=$((i+1)); echo $i > /counter.new; mv /counter.new /counter; sleep 0.05; done";
const IMAGE = "counting:1";

const release = testedReleases().at(-1);
const why = process.env["LAB_WHY_NOT"] ?? "no containerd is prepared: run npm test once";

describe("a real dockerd", { skip: release === undefined ? why : false }, () => {
  let daemon: Daemon;
  let docker: Docker;
  let client: Client;
  /** In the namespace where Docker has its containers. */
  let moby: Client;
  let serial = 0;

  before(async () => {
    assert.ok(release);
    daemon = await startDaemon(release);
    docker = await Docker.start(daemon);
    client = await connect({ address: daemon.address, namespace: "beside-docker" });
    moby = client.inNamespace("moby");
    const busybox = await readFile(await busyboxPath());
    const rootfs = await bytesOf(
      writeTar([
        { name: "bin/", type: "directory", mode: 0o755 },
        { name: "bin/busybox", body: busybox, mode: 0o755 },
        { name: "bin/sh", type: "symlink", linkName: "busybox" },
        { name: "bin/sleep", type: "symlink", linkName: "busybox" },
      ]),
    );
    const [repo, tag] = IMAGE.split(":");
    await docker.tell("POST", `/images/create?fromSrc=-&repo=${repo}&tag=${tag}`, rootfs);
  });
  after(async () => {
    await client?.close();
    await daemon?.stop();
  });

  /** A container of Docker's that counts into a file. */
  const counting = async () => {
    const name = `counter-${++serial}`;
    const made = await docker.tell("POST", `/containers/create?name=${name}`, {
      Image: IMAGE,
      Cmd: ["/bin/sh", "-c", COUNT],
      HostConfig: { NetworkMode: "none" },
    });
    const id = String(made["Id"]);
    await docker.tell("POST", `/containers/${id}/start`);
    const inspected = (await docker.tell("GET", `/containers/${id}/json`)) as {
      readonly GraphDriver: { readonly Data: { readonly UpperDir: string } };
    };
    const upper = inspected.GraphDriver.Data.UpperDir;
    const count = async () => Number(await readFile(join(upper, "counter"), "utf8").catch(() => "0"));
    await beyond(count, 2);
    return { name, id, upper, count, dir: docker.checkpoints(id) };
  };
  const exited = async (id: string) => {
    for (let tries = 0; tries < 200; tries++) {
      const { State } = (await docker.tell("GET", `/containers/${id}/json`)) as { State: { Status: string } };
      if (State.Status === "exited") return;
      await sleep(50);
    }
    assert.fail("Docker does not see that it has exited");
  };
  const listed = async (id: string) => (await docker.ask("GET", `/containers/${id}/checkpoints`)).body["list"];

  it("starts from a checkpoint of ours, and the counter goes on", async () => {
    const { id, count, dir } = await counting();
    const container = await moby.containers.get(id);
    const made = await container.checkpoints.create("ours", { checkpointDir: dir, exit: true });
    assert.equal((await stat(join(dir, "ours"))).mode & 0o777, 0o700);
    assert.equal(made.containerId, id);
    await exited(id);
    assert.deepEqual(await listed(id), [{ Name: "ours" }]);
    const frozen = await count();
    await docker.tell("POST", `/containers/${id}/start?checkpoint=ours`);
    const next = await beyond(count, frozen);
    assert.ok(next < frozen + 20, `from ${frozen} to ${next}: it began anew or skipped`);
    // And the other way round: one of Docker's own, seen and removed by us, and one of ours removed by Docker.
    await docker.tell("POST", `/containers/${id}/checkpoints`, { CheckpointID: "theirs", Exit: false });
    const again = await moby.containers.get(id);
    const names = (await all(again.checkpoints.list({ checkpointDir: dir }))).map(({ name }) => name);
    assert.deepEqual(names, ["ours", "theirs"]);
    assert.equal((await again.checkpoints.get("theirs", { checkpointDir: dir })).containerId, id);
    await again.checkpoints.delete("theirs", { checkpointDir: dir });
    await docker.tell("DELETE", `/containers/${id}/checkpoints/ours`);
    assert.deepEqual(await listed(id), []);
    assert.deepEqual(await all(again.checkpoints.list({ checkpointDir: dir })), []);
  });

  it("makes a checkpoint that we thaw without it, and the counter goes on", async () => {
    const { id, upper, count, dir } = await counting();
    const spec = withoutDocker(await (await moby.containers.get(id)).spec());
    await docker.tell("POST", `/containers/${id}/checkpoints`, { CheckpointID: "theirs", Exit: true });
    await exited(id);
    const frozen = await count();
    const container = await copyOf("thawed", spec, upper);
    try {
      const found = await container.checkpoints.get("theirs", { checkpointDir: dir });
      assert.equal(found.origin.engine, "docker");
      const task = await container.newTask({ checkpoint: "theirs", checkpointDir: dir, io: streamIO() });
      await task.start();
      const file = join(await upperOf(client, container), "counter");
      const next = await beyond(async () => Number(await readFile(file, "utf8").catch(() => "0")), frozen);
      assert.ok(next < frozen + 20, `from ${frozen} to ${next}: it began anew or skipped`);
    } finally {
      await discard(container);
    }
  });

  /** A container of ours that has what Docker's has: image, spec, and what it wrote. */
  const copyOf = async (id: string, spec: Spec, upper: string): Promise<Container> => {
    const archive = join(await mkdtemp(join(tmpdir(), "docker-")), "image.tar");
    try {
      const response = await docker.download(`/images/${IMAGE}/get`);
      await writeFile(archive, response);
      await client.images.importFile(archive);
    } finally {
      await rm(join(archive, ".."), { recursive: true });
    }
    const container = await client.containers.create(id, {
      image: `docker.io/library/${IMAGE}`,
      args: ["/bin/sh"],
      spec: [(own) => void Object.assign(own, spec)],
    });
    await cp(upper, await upperOf(client, container), { recursive: true });
    return container;
  };

  it("refuses what we refuse", async () => {
    const { name, id, dir } = await counting();
    const stopped = await docker.tell("POST", `/containers/create?name=stopped-${serial}`, {
      Image: IMAGE,
      Cmd: ["/bin/sh"],
      HostConfig: { NetworkMode: "none" },
    });
    const container = await moby.containers.get(id);
    const halted = await client.images
      .get(`docker.io/library/${IMAGE}`)
      .then(() => client.containers.create("halted", { image: `docker.io/library/${IMAGE}`, args: ["/bin/sh"] }));
    const at = { checkpointDir: dir };
    const own = { checkpointDir: join(daemon.directory, "own") };
    await mkdir(own.checkpointDir);
    await container.checkpoints.create("taken", at);
    const create = (of: string, CheckpointID: string, more = {}) =>
      docker.ask("POST", `/containers/${of}/checkpoints`, { CheckpointID, Exit: false, ...more });
    const table: readonly (readonly [
      what: string,
      theirs: () => ReturnType<Docker["ask"]>,
      says: RegExp,
      ours: () => Promise<unknown>,
      is: (reason: unknown) => boolean,
    ])[] = [
      [
        "a name too short",
        () => create(name, "c"),
        /Invalid checkpoint ID/i,
        () => container.checkpoints.create("c", at),
        isInvalidArgument,
      ],
      [
        "a name that leads upwards",
        () => create(name, "../evil"),
        /Invalid checkpoint ID/i,
        () => container.checkpoints.create("../evil", at),
        isInvalidArgument,
      ],
      [
        "a name that is taken",
        () => create(name, "taken"),
        /already exists/,
        () => container.checkpoints.create("taken", at),
        isAlreadyExists,
      ],
      [
        "a container that does not run",
        () => create(String(stopped["Id"]), "fine"),
        /is not running/,
        () => halted.checkpoints.create("fine", own),
        isFailedPrecondition,
      ],
      [
        "a container that does not exist",
        () => create("nosuch", "fine"),
        /No such container/,
        async () => (await client.containers.get("nosuch")).checkpoints.create("fine", own),
        isNotFound,
      ],
      [
        "to delete what is not there",
        () => docker.ask("DELETE", `/containers/${name}/checkpoints/nosuch`),
        /does not exist/,
        () => container.checkpoints.delete("nosuch", at),
        isNotFound,
      ],
      [
        "to start from what is not there",
        () => docker.ask("POST", `/containers/${String(stopped["Id"])}/start?checkpoint=nosuch`),
        /does not exist/,
        () => halted.newTask({ checkpoint: "nosuch", ...own }),
        isNotFound,
      ],
    ];
    for (const [what, theirs, says, ours, is] of table) {
      const { status, message } = await theirs();
      assert.ok(status >= 400, `${what}: Docker says ${status}`);
      assert.match(message, says, what);
      await assert.rejects(ours(), is, what);
    }
    // What Docker refuses and we do: a list of a directory that is not there, a start from a directory of one's own.
    const missing = await docker.ask("GET", `/containers/${name}/checkpoints?dir=/nosuch`);
    assert.ok(missing.status >= 400);
    assert.deepEqual(await all(container.checkpoints.list({ checkpointDir: "/nosuch" })), []);
    await discard(halted);
  });
});

/** What of a spec is Docker's own business: where its root is, its network, its cgroup. */
function withoutDocker(spec: Spec): Spec {
  const { hooks: _hooks, ...rest } = spec as Spec & { readonly hooks?: unknown };
  return { ...rest, root: { path: "rootfs" }, linux: { ...rest.linux, cgroupsPath: "/beside-docker/thawed" } };
}

async function beyond(count: () => Promise<number>, from: number): Promise<number> {
  for (let tries = 0; tries < 300; tries++) {
    const number = await count();
    if (number > from) return number;
    await sleep(20);
  }
  throw new Error(`it does not count beyond ${from}`);
}
