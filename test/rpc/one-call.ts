import { Version } from "../../src/api/services/version/v1/version_pb.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { unixTransport } from "../../src/rpc/transport.js";

// Asks once and leaves the connection open.
const rpc = new Rpc(unixTransport(process.argv[2] ?? ""), "default");
const { version } = await rpc.unary(Version.method.version, {});
process.stdout.write(`${version}\n`);
