import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "../../src/client/client.js";
import { createEmbedded } from "../../src/embedded/embedded.js";
import { ociRuntime } from "../../src/embedded/runtime/oci/oci-runtime.js";
import { isNotFound } from "../../src/errors.js";
import { ociPrograms, removeCgroups, whyNoOciRuntime } from "./oci-programs.js";

const PROGRAM = fileURLToPath(new URL("./oci-victim.js", import.meta.url));

it("containers of a process that was killed end, and lose no file", { skip: whyNoOciRuntime() }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "oci-crash-"));
  const [root, programs, namespace] = [
    join(directory, "root"),
    join(directory, "programs"),
    `oci-crash-${process.pid}`,
  ];
  const victim = spawn(process.execPath, [PROGRAM, root, programs, namespace], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(victim.stdout), "line")) as [string];
  const pids = line.split(" ").map(Number);
  for (const pid of pids) assert.ok(await isThere(pid));
  victim.kill("SIGKILL");
  await once(victim, "exit");

  const containerd = await createEmbedded({ root, runtime: await ociRuntime(await ociPrograms(programs)) });
  const client = new Client({ transport: containerd.transport, namespace });
  for (let tries = 0; (await Promise.all(pids.map(isThere))).some(Boolean); tries++) {
    assert.ok(tries < 100, `they run on: ${line}`);
    await sleep(50);
  }
  assert.ok(!(await readFile("/proc/self/mountinfo", "utf8")).includes(directory));
  const container = await client.containers.get("running");
  await assert.rejects(container.task(), isNotFound);
  // Its root filesystem is as it was: the program is there, and goes on.
  const task = await container.newTask();
  await task.start();
  assert.equal((await task.status()).status, "running");
  await task.delete({ force: true });
  await containerd.close();
  await rm(directory, { recursive: true });
  await removeCgroups(namespace);
});

async function isThere(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return status !== "" && !/^State:\s+[ZX]/m.test(status);
}
