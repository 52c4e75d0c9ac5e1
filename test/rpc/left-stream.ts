import { setTimeout as sleep } from "node:timers/promises";
import { Content } from "../../src/api/services/content/v1/content_pb.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { tcpTransport, unixTransport } from "../../src/rpc/transport.js";
import type { Place } from "./fake-daemon.js";

// Reads a little, lets the rest come, and leaves the connection open.
const place = JSON.parse(process.argv[2] ?? "{}") as Place;
const rpc = new Rpc(
  "path" in place ? unixTransport(place.path) : tcpTransport(`${place.host}:${place.port}`),
  "default",
);
for await (const _ of rpc.serverStream(Content.method.read, { digest: "d" })) {
  await sleep(500);
  break;
}
process.stdout.write("left\n");
