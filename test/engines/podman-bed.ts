import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { busyboxImage } from "../../lab/busybox-image.js";
import type { Podman, PodmanRuntime } from "../../lab/podman.js";
import type { Client } from "../../src/index.js";
import type { TarFile } from "../../src/tar/tar.js";

/** The image both engines start from. */
export const ENGINES_IMAGE = "docker.io/library/engines-test:1";

const file = (name: string, text: string): TarFile => ({ name, body: new TextEncoder().encode(text) });

/** Changes that Podman's own checkpoints keep, once they are read right. */
const CHANGES = `rm /data/gone; rm -rf /data/all-gone /data/anew; mkdir /data/anew; echo new > /data/anew/new
echo shared > /dev/shm/shared; ln -s anew /data/link`;

/** Changes that Podman's own checkpoints lose, or fail over. */
const MORE_CHANGES = `echo more >> /data/kept; chmod 700 /data/anew; rm /data/was-file; mkdir /data/was-file
echo in > /data/was-file/in; rm -rf /data/was-directory; echo file > /data/was-directory`;

const COUNT =
  "i=0; while :; do i=$((i+1)); echo $i > /data/count.new; mv /data/count.new /data/count; sleep 0.05; done";

/** Changes files, and counts from then on. */
export function changeAndCount(engine: "podman" | "containerd"): readonly string[] {
  return ["sh", "-c", [CHANGES, ...(engine === "podman" ? [] : [MORE_CHANGES]), COUNT].join("\n")];
}

/** Runs a command in a container, and tells its output. */
export type Run = (command: readonly string[]) => Promise<string>;

/** Looks at the files a container has, by a way to run commands in it. */
export async function assertChanged(engine: "podman" | "containerd", run: Run): Promise<void> {
  const isWhole = engine === "containerd";
  const found = (await run(["find", "/data"])).trim().split("\n");
  const stays = isWhole ? ["was-file/in"] : ["was-directory/d"];
  const names = ["anew", "anew/new", "count", "kept", "link", "was-directory", "was-file", ...stays];
  const expected = ["/data", ...names.map((name) => `/data/${name}`)].sort();
  assert.deepEqual(found.filter((path) => path !== "/data/count.new").sort(), expected);
  assert.equal(
    await run(["cat", "/dev/shm/shared", "/data/anew/new", "/data/kept"]),
    `shared\nnew\nkept${isWhole ? "more\n" : ""}`,
  );
  if (!isWhole) return;
  assert.equal(await run(["cat", "/data/was-file/in", "/data/was-directory"]), "in\nfile\n");
  assert.equal(await run(["stat", "-c", "%a", "/data/anew"]), "700\n");
}

/** Makes the image where it is not there. */
export async function ensureEnginesImage(client: Client): Promise<void> {
  const names = ["kept", "gone", "all-gone/a", "all-gone/b/c", "anew/old", "was-file", "was-directory/d"];
  await busyboxImage(client, ENGINES_IMAGE, { secondLayer: names.map((name) => file(`data/${name}`, name)) });
}

/** Gives Podman the image of a daemon. */
export async function loadImage(podman: Podman, client: Client): Promise<void> {
  await client.images.exportFile(join(podman.directory, "image.tar"), ENGINES_IMAGE);
  await podman.run("crun", ["load", "--quiet", "--input", "/box/image.tar"]);
}

/** Asks a command until its answer is one, and tells it. */
export async function answerOf<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 100; tries += 1) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(100);
  }
  throw new Error("it did not come to that");
}

/** Runs a container in Podman until it counts, and takes a checkpoint out of it, which ends it. Returns how far it had come at least. */
export async function podmanCheckpoint(
  podman: Podman,
  runtime: PodmanRuntime,
  name: string,
  options: readonly string[] = [],
): Promise<{ readonly archive: string; readonly count: number }> {
  await podman.run(runtime, [
    "run",
    "--detach",
    "--name",
    name,
    "--network",
    "none",
    ENGINES_IMAGE,
    ...changeAndCount("podman"),
  ]);
  const count = await answerOf(() => podmanCount(podman, runtime, name, 10));
  await podman.run(runtime, ["container", "checkpoint", "--export", `/box/${name}.tar`, ...options, name]);
  await podman.run(runtime, ["rm", name]);
  return { archive: join(podman.directory, `${name}.tar`), count };
}

/** How far a container in Podman has counted; undefined when not yet so far. */
export async function podmanCount(
  podman: Podman,
  runtime: PodmanRuntime,
  name: string,
  least: number,
): Promise<number | undefined> {
  const { stdout } = await podman.run(runtime, ["exec", name, "cat", "/data/count"], { allowFailure: true });
  return Number(stdout) >= least ? Number(stdout) : undefined;
}

/** Restores an archive in Podman, which must count on from there, looks at it, and removes it. */
export async function podmanRestore(
  podman: Podman,
  runtime: PodmanRuntime,
  { archive, name, count }: { readonly archive: string; readonly name: string; readonly count: number },
  look: (run: Run) => Promise<void>,
): Promise<void> {
  await podman.run(runtime, ["container", "restore", "--import", archive]);
  await answerOf(() => podmanCount(podman, runtime, name, count + 1));
  await look(async (command) => (await podman.run(runtime, ["exec", name, ...command])).stdout);
  await podman.run(runtime, ["rm", "--force", "--time", "0", name]);
}
