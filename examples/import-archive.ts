// Lets the container in a checkpoint archive of Podman, CRI-O or Kubernetes run on in containerd, and says what did not come along.
// node import-archive.js <archive> <new container>
import { connect, fromEnv } from "containerd-client";

const [archive, id] = process.argv.slice(2);
if (archive === undefined || id === undefined) throw new Error("Usage: import-archive.js <archive> <new container>");

await using client = await connect(fromEnv());
const checkpoint = await client.importArchive(`${id}:imported`, archive);
console.log(`made by ${checkpoint.origin.engine} of ${checkpoint.image.name}`);
for (const { what, name, detail } of checkpoint.leftOut) console.log(`left out: ${what} ${name}: ${detail}`);
for (const { what, name, detail } of checkpoint.exposed) console.log(`exposed: ${what} ${name}: ${detail}`);

const container = await client.restore(id, checkpoint);
const task = await container.newTask({ checkpoint });
await task.start();
console.log(`${id} runs on as process ${task.pid}`);
