import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, open, readdir, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { removeDaemonDumps } from "../../src/guardian/daemon-dumps.js";

const OURS = "/ns/ours";
const LONG_MS = 60_000;

/** As criu writes it: two magic numbers, a size, a message in which the paths stand one after the other. */
function cgroupImage(...paths: readonly string[]): Buffer {
  const message = Buffer.concat(
    paths.map((path) => Buffer.concat([Buffer.from([0x0a, path.length]), Buffer.from(path)])),
  );
  const header = Buffer.alloc(12);
  header.writeUInt32LE(message.length, 8);
  return Buffer.concat([header, message]);
}

const skip = process.getuid?.() === 0 ? false : "the dumps of a daemon are root's";

describe("dumps in the daemon's temporary directory", { skip }, () => {
  let path: string;
  let nth = 0;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "daemon-dumps-"));
  });
  afterEach(() => rm(path, { recursive: true }));

  const remove = (busyMs?: number, sinceMs = Date.now() - 500, untilMs?: number) =>
    removeDaemonDumps(
      { path, here: path, cgroup: OURS, container: { namespace: "ns", id: "ours" }, sinceMs, untilMs },
      { busyMs },
    );
  const dump = async (image: Buffer | undefined, name = `ctrd-checkpoint${100 + nth++}`) => {
    const directory = join(path, name);
    await mkdir(directory, { mode: 0o700 });
    if (image !== undefined) await writeFile(join(directory, "cgroup.img"), image);
    return directory;
  };

  it("are removed when they are of the container's task", async () => {
    const all = [await dump(cgroupImage("/other", OURS)), await dump(cgroupImage(`${OURS}/below`), "ctd-checkpoint7")];
    const { removed, busy } = await remove();
    assert.deepEqual([...removed].sort(), all.sort());
    assert.deepEqual(busy, []);
    assert.deepEqual(await readdir(path), []);
  });

  it("are removed when criu died while it wrote of the cgroups", async () => {
    const directory = await dump(cgroupImage(OURS, "/ns/ours/and/more").subarray(0, 24));
    assert.deepEqual(await remove(), { removed: [directory], busy: [] });
  });

  it("are removed when the runtime was seen at work there, though nothing in them says whose they are", async () => {
    const [own, other, elsewhere] = [await dump(undefined), await dump(undefined), await dump(undefined)];
    const runtime = (namespace: string, id: string, directory: string) =>
      spawn("sh", [
        ...["-c", 'exec 3> "$0/pages-1.img"; echo; read line; :', directory],
        ...["--root", `/run/runc/${namespace}`, "checkpoint", "--image-path", directory, "--work-path", "/w", id],
      ]);
    const running = [runtime("ns", "ours", own), runtime("ns", "other", other), runtime("another", "ours", elsewhere)];
    for (const { stdout } of running) await once(stdout, "data");
    const removing = remove(LONG_MS);
    await sleep(300);
    assert.equal((await readdir(path)).length, 3);
    for (const { stdin } of running) stdin.end();
    assert.deepEqual(await removing, { removed: [own], busy: [] });
    assert.deepEqual((await readdir(path)).sort(), [other, elsewhere].map((one) => basename(one)).sort());
  });

  it("stay when they are not known to be of it", async () => {
    await dump(cgroupImage("/ns/ours-too"));
    await dump(cgroupImage("/ns/ours2"));
    await dump(cgroupImage("/x/ns/other"));
    await dump(undefined);
    await dump(cgroupImage(OURS), "checkpoint1");
    await dump(cgroupImage(OURS), "ctrd-checkpoint");
    await chmod(await dump(cgroupImage(OURS)), 0o755);
    await symlink(await dump(cgroupImage(OURS), "elsewhere"), join(path, "ctrd-checkpoint9"));
    const before = await readdir(path);
    assert.deepEqual(await remove(), { removed: [], busy: [] });
    assert.deepEqual(await readdir(path), before);
  });

  it("stay when they are older, or were unpacked there", async () => {
    await dump(cgroupImage(OURS));
    assert.deepEqual(await remove(undefined, Date.now() + LONG_MS), { removed: [], busy: [] });
    const [directory = ""] = await readdir(path);
    await utimes(join(path, directory, "cgroup.img"), 1000, 1000);
    assert.deepEqual(await remove(), { removed: [], busy: [] });
  });

  it("stay when they were begun after all that could be ours", async () => {
    const directory = await dump(cgroupImage(OURS));
    const { birthtimeMs } = await stat(directory);
    assert.deepEqual(await remove(undefined, 0, birthtimeMs - 1), { removed: [], busy: [] });
    assert.deepEqual(await remove(undefined, 0, birthtimeMs), { removed: [directory], busy: [] });
  });

  it("are removed when they are written to no more", async () => {
    const directory = await dump(undefined);
    const file = await open(join(directory, "pages-1.img"), "w");
    const removing = remove(LONG_MS);
    await writeFile(join(directory, "cgroup.img"), cgroupImage(OURS));
    await file.close();
    assert.deepEqual(await removing, { removed: [directory], busy: [] });
  });

  it("are told when they are written to for too long", async () => {
    const directories = [await dump(cgroupImage(OURS)), await dump(undefined)].sort();
    const files = await Promise.all(directories.map((one) => open(join(one, "pages-1.img"), "w")));
    const { removed, busy } = await remove(200);
    await Promise.all(files.map((file) => file.close()));
    assert.deepEqual(removed, []);
    assert.deepEqual([...busy].sort(), directories);
    assert.deepEqual((await readdir(path)).length, 2);
  });

  it("are not waited for when they are of another container's task", async () => {
    const other = await dump(cgroupImage("/ns/other"));
    const ours = await dump(cgroupImage(OURS));
    const file = await open(join(other, "pages-1.img"), "w");
    // Resolves although that one stays open.
    const { removed, busy } = await remove(LONG_MS);
    await file.close();
    assert.deepEqual([removed, busy], [[ours], []]);
  });
});
