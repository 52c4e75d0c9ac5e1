import { Stages } from "../stages.js";

/** ADDRESS NAMESPACE CONTAINER REF: a container thawed from a checkpoint, and how long each stage took. */
const [address, namespace, id = "", ref = ""] = process.argv.slice(2);
const stages = new Stages();
const { connect } = await import("containerd-client");
stages.end("import");
const client = await connect({ address, namespace });
stages.end("connect");
const container = await client.restore(id, ref);
stages.end("restore: snapshot and container");
const task = await container.newTask({ checkpoint: ref });
stages.end("newTask: unpack and verify the dump, make the task");
await task.start();
stages.end("start: criu");
await client.close();
stages.end("close");
stages.print();
