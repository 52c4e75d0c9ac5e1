import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { Client } from "../../src/client/client.js";
import type { Container } from "../../src/client/container.js";
import { isAlreadyExists, isFailedPrecondition, isInvalidArgument, isNotFound } from "../../src/errors.js";
import type { Transport } from "../../src/rpc/transport.js";
import { all } from "../suites/content-bed.js";
import { TaskBed } from "../suites/task-bed.js";
import { simulatedImage, simulatedSubject } from "./task-beds.js";

const MANIFEST = "containerd-client.json";
/** One process, and it has one thread. */
const PSTREE = Buffer.from("1943565430302750" + "0a000000" + "08011000180120012801", "hex");
const OLD_CREATED = "2017-03-04T05:06:07Z";

describe("directories of checkpoints", {
  skip: process.platform === "win32" ? "there are no named pipes" : false,
}, () => {
  let transport: Transport;
  const bed = new TaskBed(async () => {
    const subject = await simulatedSubject("on a directory");
    ({ transport } = subject);
    return subject;
  });
  let container: Container;
  let checkpointDir = "";
  before(() => bed.begin());
  after(() => bed.end());
  afterEach(() => bed.tidy());

  const begin = async () => {
    ({ container } = await bed.counting());
    checkpointDir = join(bed.path(), "deep", "checkpoints");
    return container.checkpoints.create("ours", { checkpointDir });
  };
  const names = async () => (await all(container.checkpoints.list({ checkpointDir }))).map(({ name }) => name);
  const docker = async (name: string, files: Readonly<Record<string, string | Buffer>>) => {
    await mkdir(join(checkpointDir, name), { mode: 0o700 });
    for (const [file, bytes] of Object.entries(files)) await writeFile(join(checkpointDir, name, file), bytes);
  };
  /** A manifest that does not say the namespace. */
  const unplacedManifest = (containerId: string) => {
    const files = Object.entries(whole).map(([name, bytes]) => ({ name, size: bytes.length }));
    return JSON.stringify({ schemaVersion: 1, createdAt: OLD_CREATED, containerId, files });
  };
  const whole = { "inventory.img": "xxxxxxxx", "pstree.img": PSTREE, "core-1.img": "xxxxxxxx", "pages-1.img": "" };

  it("are flat, their owner's alone, and say what they are of", async () => {
    const { spec, path } = await begin();
    assert.equal(path, join(checkpointDir, "ours"));
    assert.equal((await stat(path)).mode & 0o777, 0o700);
    assert.equal((await stat(checkpointDir)).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(checkpointDir), ["ours"], "nothing is left beside it");
    const entries = await readdir(path, { withFileTypes: true });
    assert.ok(entries.length > 1 && entries.every((entry) => entry.isFile()));
    assert.ok(entries.some(({ name }) => name === MANIFEST));
    assert.deepEqual(spec, await container.spec());
  });

  it("with foreign and half-made things in them list what is whole", async () => {
    await begin();
    await docker("docker", whole);
    await docker("old", { ...whole, "config.json": JSON.stringify({ created: OLD_CREATED, name: "old" }) });
    await mkdir(join(checkpointDir, "old", "criu.work"));
    await writeFile(join(checkpointDir, "old", "criu.work", "dump.log"), "done");
    await docker("empty", {});
    await docker("no-tree", { "inventory.img": "xxxxxxxx" });
    await docker("no-core", { "inventory.img": "xxxxxxxx", "pstree.img": PSTREE });
    await docker("cut", { ...whole, "pstree.img": PSTREE.subarray(0, 15) });
    await docker("blank", { ...whole, "fs-1.img": "" });
    await docker("trailing.", whole);
    await docker(".hidden", whole);
    await docker("bad-manifest", { ...whole, [MANIFEST]: "{" });
    await docker("to-come", { ...whole, [MANIFEST]: '{"schemaVersion":99}' });
    await docker("no-files", { ...whole, [MANIFEST]: '{"schemaVersion":1,"createdAt":"2020-01-01T00:00:00Z"}' });
    await writeFile(join(checkpointDir, "a-file"), "x");
    await symlink(join(checkpointDir, "docker"), join(checkpointDir, "a-link"));
    assert.deepEqual(await names(), ["docker", "old", "ours"]);
    const old = await container.checkpoints.get("old", { checkpointDir });
    assert.equal(old.createdAt.toISOString(), new Date(OLD_CREATED).toISOString());
    assert.equal(old.origin.engine, "docker");
    for (const name of ["empty", "no-core", "cut", "bad-manifest", "a-file", "a-link"]) {
      await assert.rejects(container.checkpoints.get(name, { checkpointDir }), isNotFound, name);
      await assert.rejects(container.newTask({ checkpoint: name, checkpointDir }), isNotFound, name);
      await assert.rejects(container.checkpoints.create(name, { checkpointDir }), isAlreadyExists, name);
    }
    // A manifest tells when a file has been cut off since.
    const [first] = (await readdir(join(checkpointDir, "ours"))).filter((name) => name !== MANIFEST);
    await truncate(join(checkpointDir, "ours", String(first)), 1);
    assert.deepEqual(await names(), ["docker", "old"]);
  });

  it("of tasks with a network of their own are whole though nothing is in some images", async () => {
    await begin();
    const raw = ["iptables-9.img", "ip6tables-9.img", "nftables-9.img", "ifaddr-9.img", "route-9.img", "route6-9.img"];
    const more = ["rule-9.img", "netns-ct-9.img", "netns-exp-9.img"];
    await docker("docker", { ...whole, ...Object.fromEntries([...raw, ...more].map((file) => [file, ""])) });
    // These have a head.
    for (const file of ["netns-9.img", "netdev-9.img", "files.img", "mm-1.img"]) {
      await docker(file.replace(".img", ""), { ...whole, [file]: "" });
    }
    assert.deepEqual(await names(), ["docker", "ours"]);
    assert.equal((await container.checkpoints.get("docker", { checkpointDir })).name, "docker");
  });

  it("take no name away from Docker, which has an empty directory while it dumps", async () => {
    await begin();
    const path = join(checkpointDir, "dockers");
    const onProgress = ({ phase }: { readonly phase: string }) => {
      if (phase === "register") mkdirSync(path);
    };
    await assert.rejects(
      container.checkpoints.create("dockers", { checkpointDir, exit: true, onProgress }),
      isAlreadyExists,
    );
    assert.deepEqual(await readdir(path), []);
    assert.deepEqual((await readdir(checkpointDir)).sort(), ["dockers", "ours"]);
    assert.equal((await (await container.task()).status()).status, "running");
  });

  it("lose one at a time, and nothing that is no checkpoint", async () => {
    await begin();
    await docker("docker", whole);
    await docker("old", { ...whole, "config.json": "{}" });
    await mkdir(join(checkpointDir, "old", "criu.work"));
    await docker("half", { "core-1.img": "x" });
    await docker("begun", { "descriptors.json": "[]" });
    await docker("made", {});
    await docker("mine", { "thesis.tex": "years of work" });
    await docker("ubuntu", { "disk.img": "an only disk", "config.json": "{}", "boot.log": "" });
    await writeFile(join(checkpointDir, "a-file"), "x");
    await symlink(join(checkpointDir, "mine"), join(checkpointDir, "a-link"));
    for (const name of ["ours", "docker", "old", "half", "begun", "made"]) {
      await container.checkpoints.delete(name, { checkpointDir });
      assert.ok(!(await readdir(checkpointDir)).includes(name));
    }
    for (const name of ["mine", "ubuntu"]) {
      await assert.rejects(container.checkpoints.delete(name, { checkpointDir }), isFailedPrecondition, name);
    }
    assert.equal((await readdir(join(checkpointDir, "ubuntu"))).length, 3);
    for (const name of ["a-file", "a-link", "nosuch"]) {
      await assert.rejects(container.checkpoints.delete(name, { checkpointDir }), isNotFound, name);
    }
    assert.equal(await readFile(join(checkpointDir, "mine", "thesis.tex"), "utf8"), "years of work");
    assert.deepEqual((await readdir(checkpointDir)).sort(), ["a-file", "a-link", "mine", "ubuntu"]);
  });

  it("shared by containers are pruned of one's own alone", async () => {
    await begin();
    await docker("docker", whole);
    const { container: other } = await bed.counting();
    await other.checkpoints.create("other", { checkpointDir });
    const { gone } = await container.checkpoints.prune({ checkpointDir, keepLast: 0 });
    assert.deepEqual(
      gone.map(({ checkpoint }) => checkpoint.name),
      ["ours"],
    );
    assert.deepEqual(await names(), ["docker", "other"]);
  });

  it("shared by namespaces are pruned of one's own alone, and Docker's by its own", async () => {
    await begin();
    const clientIn = async (namespace: string) => {
      const client = new Client({ transport, namespace }, false);
      await simulatedImage(client, bed.subject.image);
      return client;
    };
    const [elsewhere, moby] = [await clientIn("elsewhere"), await clientIn("moby")];
    const made = { image: bed.subject.image, args: ["counter"] };
    const namesake = await elsewhere.containers.create(container.id, made);
    assert.deepEqual((await namesake.checkpoints.prune({ checkpointDir, keepLast: 0 })).gone, []);
    assert.deepEqual(await names(), ["ours"]);

    const id = "a".repeat(64);
    checkpointDir = join(bed.path(), "containers", id, "checkpoints");
    await mkdir(checkpointDir, { recursive: true });
    await docker("docker", whole);
    await docker("nowhere", { ...whole, [MANIFEST]: unplacedManifest(id) });
    for (const client of [elsewhere, moby]) {
      const { checkpoints } = await client.containers.create(id, made);
      const { gone } = await checkpoints.prune({ checkpointDir, keepLast: 0 });
      assert.equal(gone.length, client === moby ? 2 : 0, client.namespace);
    }
  });

  it("that cannot go keep no others from being pruned, and are told of", async () => {
    await begin();
    const id = "b".repeat(64);
    checkpointDir = join(bed.path(), "containers", id, "checkpoints");
    await mkdir(checkpointDir, { recursive: true });
    await docker("noted", { ...whole, "NOTES.txt": "mine", "config.json": JSON.stringify({ created: OLD_CREATED }) });
    await docker("plain", whole);
    const client = new Client({ transport, namespace: "moby" }, false);
    await simulatedImage(client, "pruned");
    const { checkpoints } = await client.containers.create(id, { image: "pruned", args: ["counter"] });
    assert.deepEqual(
      (await all(checkpoints.list({ checkpointDir }))).map(({ name }) => name),
      ["noted", "plain"],
    );
    for (const dryRun of [true, false]) {
      const { gone, failed, kept } = await checkpoints.prune({ checkpointDir, keepLast: 0, dryRun });
      assert.deepEqual(
        gone.map(({ checkpoint }) => checkpoint.name),
        ["plain"],
      );
      assert.deepEqual(
        failed.map(({ checkpoint }) => checkpoint.name),
        ["noted"],
      );
      assert.ok(isFailedPrecondition(failed[0]?.error) && /NOTES/.test(failed[0].error.message));
      assert.deepEqual(kept, []);
    }
    assert.deepEqual(await readdir(checkpointDir), ["noted"]);
  });

  it("have absolute paths and hold the memory alone", async () => {
    await begin();
    const relative = { checkpointDir: "checkpoints" };
    await assert.rejects(container.checkpoints.create("fine", relative), isInvalidArgument);
    await assert.rejects(container.checkpoints.get("fine", relative), isInvalidArgument);
    await assert.rejects(all(container.checkpoints.list(relative)), isInvalidArgument);
    const labels = [(plan: { labels: Record<string, string> }) => void Object.assign(plan.labels, { a: "b" })];
    await assert.rejects(container.checkpoints.create("fine", { checkpointDir, options: labels }), isInvalidArgument);
    await assert.rejects(container.newTask({ checkpointDir }), isInvalidArgument);
  });
});
