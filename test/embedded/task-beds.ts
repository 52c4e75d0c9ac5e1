import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxImage } from "../../lab/busybox-image.js";
import { Client } from "../../src/client/client.js";
import { ociRuntime } from "../../src/embedded/runtime/oci/oci-runtime.js";
import type { Program } from "../../src/embedded/runtime/simulated/program.js";
import { digestOf } from "../../src/oci/digest.js";
import type { Transport } from "../../src/rpc/transport.js";
import { writeTar } from "../../src/tar/tar.js";
import { bytesOf } from "../suites/content-bed.js";
import { Samples } from "../suites/image-samples.js";
import { type TaskSubject, taskPrograms } from "../suites/task-bed.js";
import { type EmbeddedBed, embeddedBed, type ways } from "./beds.js";
import { ociPrograms, removeCgroups } from "./oci-programs.js";

const IMAGE = "docker.io/library/programs:1";

/** A subject that others can be let in to. */
export interface ListeningSubject extends TaskSubject {
  readonly transport: Transport;
  listen(path: string): Promise<void>;
}

/** Ends with 7. */
const seven: Program = async function* () {
  yield;
  return 7;
};

/** Never ends. */
const waiter: Program = async function* () {
  for (;;) yield 60_000;
};

/** Answers a line, and ends with 5. */
const asker: Program = async function* ({ stdin, stdout }) {
  let line = "";
  while (!line.includes("\n")) {
    yield stdin.ready();
    const typed = stdin.read();
    if (typed === undefined) break;
    line += Buffer.from(typed).toString();
  }
  yield stdout.write(`z${line.trimEnd()}z\n`);
  return 5;
};

/** The suites' programs for the simulated runtime. */
export const simulatedPrograms: Readonly<Record<string, Program>> = { seven, waiter, asker };

/** A namespace of an embedded containerd that simulates tasks. */
export async function simulatedSubject(way: (typeof ways)[number]): Promise<ListeningSubject> {
  const bed = await embeddedBed(way, { programs: simulatedPrograms });
  const client = new Client({ transport: bed.transport, namespace: "tasks" }, false);
  await simulatedImage(client);
  return subjectOf(bed, client);
}

/** An image whose files no simulated program looks at. */
export async function simulatedImage(client: Client, name: string = IMAGE): Promise<void> {
  await using lease = await client.leases.create();
  const bytes = await bytesOf(
    writeTar([
      { name: "etc/", type: "directory" },
      { name: "etc/hostname", body: Buffer.from("box\n") },
    ]),
  );
  const samples = new Samples({ store: client.content, call: { lease } });
  const platform = { os: "linux", architecture: arch() === "x64" ? "amd64" : arch() };
  const { target } = await samples.image(platform, [{ bytes, diffId: digestOf(bytes) }], {
    layerTypes: ["application/vnd.oci.image.layer.v1.tar"],
  });
  await client.images.create(name, target, { lease });
}

/** A namespace of an embedded containerd that runs containers with the lab's runc. */
export async function ociSubject(): Promise<ListeningSubject> {
  const programs = await mkdtemp(join(tmpdir(), "programs-"));
  const bed = await embeddedBed("on a directory", { runtime: await ociRuntime(await ociPrograms(programs)) });
  // It names cgroups of this machine, too.
  const namespace = `embedded-test-${process.pid}`;
  const client = new Client({ transport: bed.transport, namespace }, false);
  await busyboxImage(client, IMAGE, { secondLayer: taskPrograms });
  const subject = await subjectOf(bed, client);
  return {
    ...subject,
    end: async () => {
      await subject.end();
      await rm(programs, { recursive: true });
      await removeCgroups(namespace);
    },
  };
}

async function subjectOf(bed: EmbeddedBed, client: Client): Promise<ListeningSubject> {
  const pipes = join(bed.directory, "pipes");
  await mkdir(pipes);
  return {
    client,
    transport: bed.transport,
    image: IMAGE,
    directory: bed.directory,
    pipes,
    listen: (path) => bed.containerd.listen(path),
    end: async () => bed[Symbol.asyncDispose](),
  };
}
