import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { tcpTransport, unixTransport } from "../../src/rpc/transport.js";
import { type Certificates, testCertificates } from "../client/certificates.js";
import type { Place } from "./fake-daemon.js";
import type { Line } from "./transport-bed.js";

/** Over a unix socket: our own transport. */
export const unixLine: Line = {
  name: "unix socket",
  async place(directory) {
    await mkdir(directory, { recursive: true });
    return { path: join(directory, "c.sock") };
  },
  transport: (place, options) => unixTransport("path" in place ? place.path : "", options),
};

/** Over TCP: Connect's. */
export const tcpLine: Line = {
  name: "TCP",
  place: freePort,
  transport: (place, options) => tcpTransport(authorityOf(place), options),
};

/** Over TLS: Connect's, encrypted. */
export async function tlsLine(): Promise<Line> {
  const { ca, server }: Certificates = await testCertificates();
  return {
    name: "TLS",
    place: freePort,
    transport: (place, options) =>
      tcpTransport(authorityOf(place), { ...options, tls: { ca, serverName: "localhost" } }),
    server,
  };
}

function authorityOf(place: Place): string {
  if ("path" in place) throw new Error(`${place.path} is no port`);
  return `${place.host}:${place.port}`;
}

/** Below the ports that the system gives to whoever connects: one that is free now is free when it is listened on again. */
async function freePort(): Promise<Place> {
  for (;;) {
    const place = { host: "127.0.0.1", port: 20_000 + Math.floor(Math.random() * 10_000) };
    const server = net.createServer().listen(place);
    const free = await once(server, "listening").then(
      () => true,
      () => false,
    );
    await new Promise((resolve) => server.close(resolve));
    if (free) return place;
  }
}
