import { connect } from "containerd-client";

/** ADDRESS NAMESPACE CONTAINER REF: a checkpoint, as a user writes it. */
const [address, namespace, id = "", ref = ""] = process.argv.slice(2);
const client = await connect({ address, namespace });
const { cost } = await client.checkpoint(id, ref);
await client.close();
process.stdout.write(`${JSON.stringify(cost)}\n`);
