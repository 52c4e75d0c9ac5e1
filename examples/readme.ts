// Freezes the container "counter" into an image and thaws a copy of it beside the original: the example of the README.
// node readme.js
import { connect, fromEnv } from "containerd-client";

const client = await connect(fromEnv()); // or connect({ address, namespace })
const container = await client.containers.get("counter");

const checkpoint = await container.checkpoint("counter:before"); // memory, files, spec, base image: of one instant
console.log(`paused for ${checkpoint.cost.pausedMs} ms, ${checkpoint.cost.bytes.task} bytes of memory`);

const copy = await client.restore("counter-2", checkpoint); // beside the original, which runs on
const task = await copy.newTask({ checkpoint });
await task.start(); // counts on from where it was frozen
await client.close();
