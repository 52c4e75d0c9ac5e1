import { setTimeout as sleep } from "node:timers/promises";
import type { Container } from "containerd-client";
import { busyboxImage } from "../lab/busybox-image.js";
import type { Bench } from "./bench.js";

// A freeze may end a sleep early.
const SLEEP = "while :; do sleep 1000; done";

const IMAGE = "docker.io/library/bench:1";
const FILES_PER_DIRECTORY = 50;

/** A shell that keeps random letters in its memory, and says what they hash to whenever it is asked: only when all of them are there. */
function keeper(mebibytes: number): readonly string[] {
  const script = `
    held=$(head -c ${Math.ceil((mebibytes * 1024 * 1024 * 3) / 4)} /dev/urandom | base64 -w 0)
    echo "$held" | sha256sum > /sum
    while :; do
      if [ -e /ask ]; then rm /ask; echo "$held" | sha256sum > /answer.new; mv /answer.new /answer; fi
      sleep 1
    done`;
  return ["sh", "-c", script];
}

/** Starts a container whose shell has so much in its memory, and waits until it has. */
export async function startKeeper(bench: Bench, id: string, mebibytes: number): Promise<Container> {
  const container = await start(bench, id, keeper(mebibytes));
  await until(container, "test -s /sum");
  return container;
}

/** Starts a container that does nothing at all; its image has so many files beside the programs. */
export async function startSleeper(bench: Bench, id: string, files: number = 0): Promise<Container> {
  return start(bench, id, ["sh", "-c", SLEEP], files);
}

const PAGES_PER_MIB = 256;

/** Starts a container that holds more memory than a shell can: in programs that cannot get rid of what they have read. */
export async function startHolder(bench: Bench, id: string, mebibytes: number): Promise<Container> {
  const count = 4;
  const script = `
    for i in $(seq ${count}); do dd if=/dev/zero bs=${mebibytes / count}M count=1 2> /dev/null | { ${SLEEP}; } & done
    wait`;
  const container = await start(bench, id, ["sh", "-c", script]);
  const pages = `cat /proc/[0-9]*/statm | awk '{ pages += $2 } END { exit pages < ${mebibytes * PAGES_PER_MIB} }'`;
  await until(container, pages);
  return container;
}

async function start(bench: Bench, id: string, args: readonly string[], files: number = 0): Promise<Container> {
  const image = files === 0 ? IMAGE : `${IMAGE}-${files}-files`;
  const more = Array.from({ length: files }, (_, at) => ({
    name: `usr/share/${Math.floor(at / FILES_PER_DIRECTORY)}/${at}`,
    body: Buffer.from(`file ${at}`),
    mode: 0o644,
  }));
  await busyboxImage(bench.client, image, files === 0 ? {} : { secondLayer: more });
  const container = await bench.client.containers.create(id, { image, args });
  const task = await container.newTask();
  await task.start();
  return container;
}

/** Rejects unless the container runs and its memory is what it was when it was filled. */
export async function requireMemory(container: Container): Promise<void> {
  await until(container, "rm -f /answer; touch /ask");
  await until(container, "test -e /answer");
  await until(container, "cmp /sum /answer", 1);
}

/** Ends a container and removes it. */
export async function discard(container: Container): Promise<void> {
  const task = await container.task();
  await task.kill("SIGKILL", { all: true });
  await task.wait();
  await task.delete();
  await container.delete({ snapshot: true });
}

let probes = 0;

/** Runs the script in the container again and again until it succeeds. */
async function until(container: Container, script: string, tries = 600): Promise<void> {
  const task = await container.task();
  for (let tried = 0; tried < tries; tried += 1) {
    const probe = await task.exec(`probe-${probes++}`, ["sh", "-c", script]);
    await probe.start();
    const { exitStatus } = await probe.wait();
    await probe.delete();
    if (exitStatus === 0) return;
    await sleep(100);
  }
  throw new Error(`in ${container.id}, this never succeeded: ${script}`);
}
