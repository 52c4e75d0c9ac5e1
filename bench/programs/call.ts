import { pathToFileURL } from "node:url";

/** ADDRESS NAMESPACE [DIST]: the shortest script there is, with this build or an earlier one. Connecting asks the daemon its version. */
const [address, namespace, dist] = process.argv.slice(2);
const entry = dist === undefined ? "containerd-client" : pathToFileURL(`${dist}/index.js`).href;
const { connect } = (await import(entry)) as typeof import("containerd-client");
const client = await connect({ address, namespace });
await client.close();
process.stdout.write("{}\n");
