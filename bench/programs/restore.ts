import { connect } from "containerd-client";

/** ADDRESS NAMESPACE CONTAINER REF: a container thawed from a checkpoint, as a user writes it. */
const [address, namespace, id = "", ref = ""] = process.argv.slice(2);
const client = await connect({ address, namespace });
const container = await client.restore(id, ref);
const task = await container.newTask({ checkpoint: ref });
await task.start();
await client.close();
process.stdout.write("{}\n");
