import { connect } from "containerd-client";

/** ADDRESS NAMESPACE: the shortest script there is. Connecting asks the daemon its version. */
const [address, namespace] = process.argv.slice(2);
const client = await connect({ address, namespace });
await client.close();
process.stdout.write("{}\n");
