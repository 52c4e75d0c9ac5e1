import { connect, isContainerdError, unixTransport } from "../../src/index.js";
import { dyingAt } from "./sick-transport.js";

// checkpoint-victim.js SOCKET NAMESPACE CONTAINER METHOD: checkpoints a container, and ends when it is about to make that call, if one is named.

const [socket = "", namespace = "", id = "", method = ""] = process.argv.slice(2);
const transport = unixTransport(socket);
const client = await connect({ transport: method === "" ? transport : dyingAt(transport, method), namespace });
try {
  const { guarded } = await client.checkpoint(id, `cp:${id}`, [], { operationId: `job-${id}` });
  process.stdout.write(`succeeded, guarded ${guarded}\n`);
} catch (reason) {
  process.stdout.write(`failed ${isContainerdError(reason) ? reason.name : String(reason)}\n`);
}
await client.close();
