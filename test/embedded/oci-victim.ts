import { writeSync } from "node:fs";
import { busyboxImage } from "../../lab/busybox-image.js";
import { Client } from "../../src/client/client.js";
import { createEmbedded } from "../../src/embedded/embedded.js";
import { ociRuntime } from "../../src/embedded/runtime/oci/oci-runtime.js";
import { taskPrograms } from "../suites/task-bed.js";
import { ociPrograms } from "./oci-programs.js";

// oci-victim.js ROOT PROGRAMS NAMESPACE: runs one container, makes another without starting it, says their process ids, and
// stays until it is killed.

const [root = "", programs = "", namespace = ""] = process.argv.slice(2);
const containerd = await createEmbedded({ root, runtime: await ociRuntime(await ociPrograms(programs)) });
const client = new Client({ transport: containerd.transport, namespace });
const image = "docker.io/library/programs:1";
await busyboxImage(client, image, { secondLayer: taskPrograms });
const running = await (await client.containers.create("running", { image, args: ["counter"] })).newTask();
await running.start();
const waiting = await (await client.containers.create("waiting", { image, args: ["counter"] })).newTask();
// Not through a stream, which would keep it for later.
writeSync(1, `${running.pid} ${waiting.pid}\n`);
setInterval(() => {}, 60_000);
