import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEmbedded, type Embedded, type EmbeddedOptions } from "../../src/embedded/embedded.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";

/** An embedded containerd, and one way to it. */
export interface EmbeddedBed extends AsyncDisposable {
  readonly containerd: Embedded;
  readonly transport: Transport;
  /** A directory that goes with it. */
  readonly directory: string;
  /** Calls in a namespace. */
  rpc(namespace?: string): Rpc;
}

/** The ways to have one and to reach it, with which suites are run. */
export const ways = ["in memory", "on a directory", "over a socket"] as const;

/** Makes an embedded containerd and a way to it. */
export async function embeddedBed(way: (typeof ways)[number], options: EmbeddedOptions = {}): Promise<EmbeddedBed> {
  const directory = await mkdtemp(join(tmpdir(), "embedded-"));
  const root = way === "on a directory" ? { root: join(directory, "root") } : {};
  const containerd = await createEmbedded({ ...root, ...options });
  const socket = join(directory, "c.sock");
  if (way === "over a socket") await containerd.listen(socket);
  const transport = way === "over a socket" ? unixTransport(socket) : containerd.transport;
  return {
    containerd,
    transport,
    directory,
    rpc: (namespace = "test") => new Rpc(transport, namespace),
    async [Symbol.asyncDispose]() {
      transport.close?.();
      await containerd.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
