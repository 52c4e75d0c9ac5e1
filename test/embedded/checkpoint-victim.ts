import { connect, isContainerdError, unixTransport } from "../../src/index.js";
import { dyingAt } from "./sick-transport.js";

// checkpoint-victim.js SOCKET NAMESPACE CONTAINER METHOD: checkpoints a container, and is killed when it is about to make that call.

const [socket = "", namespace = "", id = "", method = ""] = process.argv.slice(2);
const client = await connect({ transport: dyingAt(unixTransport(socket), method), namespace, guardian: false });
try {
  const { guarded } = await client.checkpoint(id, `cp:${id}`, [], { operationId: `job-${id}` });
  process.stdout.write(`succeeded, guarded ${guarded}\n`);
} catch (reason) {
  process.stdout.write(`failed ${isContainerdError(reason) ? reason.name : String(reason)}\n`);
}
await client.close();
