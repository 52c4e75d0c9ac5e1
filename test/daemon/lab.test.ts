import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { busyboxPath } from "../../lab/busybox.js";
import { type Daemon, startDaemon } from "../../lab/daemon.js";
import { labDirectory, repositoryRoot } from "../../lab/repository.js";
import { describeOnEachDaemon, testedReleases } from "./releases.js";

/** Starts a container without an image, and returns its process id. */
async function startSleeper(daemon: Daemon, id: string): Promise<number> {
  const rootFs = join(daemon.directory, `rootfs-${id}`);
  await mkdir(join(rootFs, "bin"), { recursive: true });
  await copyFile(await busyboxPath(), join(rootFs, "bin", "busybox"));
  await daemon.ctr(["run", "--detach", "--rootfs", rootFs, id, "/bin/busybox", "sleep", "1000"]);
  return pidOf(daemon, id);
}

async function pidOf(daemon: Daemon, id: string): Promise<number> {
  const { stdout } = await daemon.ctr(["task", "ls"]);
  const line = stdout.split("\n").find((one) => one.startsWith(`${id} `));
  assert.match(line ?? "", /RUNNING/, stdout);
  return Number(line?.split(/\s+/)[1]);
}

/** Tells whether a process lives; one that only waits for the machine's init to see its end does not. */
function lives(pid: number | string): boolean {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !readFileSync(path, "utf8").includes(") Z ");
}

/** What is there of a box: its folder, its cgroups, its processes, its mounts as this process sees them. */
function tracesOf(directory: string, cgroup: string): string[] {
  const traces = existsSync(directory) ? [directory] : [];
  for (const hierarchy of ["", ...readdirSync("/sys/fs/cgroup")]) {
    const path = join("/sys/fs/cgroup", hierarchy, cgroup);
    if (existsSync(path)) traces.push(path);
  }
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const text = readFileSync(`/proc/${pid}/cgroup`, "utf8") + readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (!lives(pid)) continue;
      if (text.includes(cgroup) || text.includes(`${directory}/`)) traces.push(`process ${pid}`);
    } catch {
      // It ended while we looked.
    }
  }
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return [...traces, ...mounts.filter((line) => line.includes(directory))];
}

describeOnEachDaemon("a private daemon", (daemon) => {
  it("answers as the release it is", async () => {
    const { release, address } = daemon();
    assert.ok(Buffer.byteLength(address) <= 98, address);
    const { stdout } = await daemon().ctr(["version"]);
    const version = { v16: /Version: +1\.6\./, v17: /Version: +1\.7\./, v21: /Version: +2\./ }[release];
    assert.match(stdout.split("Server:")[1] ?? "", version);
  });

  it("says what its ctr complains of", async () => {
    await assert.rejects(daemon().ctr(["containers", "info", "nobody"]), /nobody.*not found/);
  });

  it("is killed alone and started again; its containers run on", async () => {
    const container = await startSleeper(daemon(), "survivor");
    const { pid } = daemon();
    await daemon().kill();
    assert.ok(!lives(pid), "the daemon is there");
    assert.ok(lives(container), "the container is gone");
    await assert.rejects(daemon().ctr(["--connect-timeout", "100ms", "version"]));
    await daemon().restart();
    assert.notEqual(daemon().pid, pid);
    assert.equal(await pidOf(daemon(), "survivor"), container);
  });

  it("shows its mounts inside its box, and nowhere else", async () => {
    const { stdout } = await daemon().inBox("cat", ["/proc/self/mountinfo"]);
    assert.match(stdout, / \/run [^\n]* tmpfs /);
    const outside = await readFile("/proc/self/mountinfo", "utf8");
    assert.ok(!outside.includes(daemon().directory), outside);
  });

  it("leaves nothing when it stops, not even a frozen container", async () => {
    const other = await startDaemon(daemon().release);
    const container = await startSleeper(other, "frozen");
    await other.ctr(["task", "pause", "frozen"]);
    assert.ok(tracesOf(other.directory, other.cgroup).length > 3);
    await other.stop();
    assert.deepEqual(tracesOf(other.directory, other.cgroup), []);
    assert.ok(!lives(container), "the container is there");
    await other.stop();
  });

  it("tells the end of its log when it does not start", async () => {
    const broken = startDaemon(daemon().release, { extraToml: "nonsense" });
    await assert.rejects(broken, /ended at once:[\s\S]*toml/);
  });
});

describe("the guard", () => {
  const [release] = testedReleases().slice(-1);
  const skip = release === undefined && (process.env["LAB_WHY_NOT"] ?? "no containerd is prepared");

  it("removes everything when the process that started a daemon is killed", { skip }, async () => {
    const runner = spawn(process.execPath, [join(repositoryRoot(), ".build/lab/cli.js"), "up", String(release)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const exited = once(runner, "exit");
    const [line] = (await once(createInterface({ input: runner.stdout }), "line")) as [string];
    const directory = dirname(line.split(" ")[1] ?? "");
    const name = readdirSync(join(labDirectory(), "run")).find((one) => one.startsWith(`${runner.pid}-`));
    const unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((path) => existsSync(`${path}/cgroup.procs`));
    const cgroup = readdirSync(String(unified)).find((one) => one.endsWith(`-${name}`));
    assert.ok(cgroup, "the cgroup is not named for its process");
    assert.ok(tracesOf(directory, cgroup).length > 1);
    runner.kill("SIGKILL");
    await exited;
    for (let tries = 0; tries < 500 && tracesOf(directory, cgroup).length > 0; tries++) await sleep(20);
    assert.deepEqual(tracesOf(directory, cgroup), []);
  });
});
