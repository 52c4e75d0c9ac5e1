import { connect } from "containerd-client";

/** ADDRESS NAMESPACE CONTAINER REF: a checkpoint, as a user writes it. */
const [address, namespace, id = "", ref = ""] = process.argv.slice(2);
const client = await connect({ address, namespace });
const container = await client.containers.get(id);
const { cost } = await container.checkpoint(ref);
await client.close();
process.stdout.write(`${JSON.stringify(cost)}\n`);
