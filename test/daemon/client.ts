import { busyboxImage } from "../../lab/busybox-image.js";
import type { Daemon } from "../../lab/daemon.js";
import { type Client, connect } from "../../src/index.js";
import { flockLayer } from "../fixtures/programs.js";
import { IMAGE } from "./counter.js";

/** A client in a namespace of its own, with the image the tests start from. */
export async function clientFor(daemon: Daemon, namespace: string): Promise<Client> {
  const client = await connect({ address: daemon.address, namespace });
  await ensureImage(client);
  return client;
}

/** Makes the image the tests start from, where it is not there. */
export async function ensureImage(client: Client): Promise<void> {
  await busyboxImage(client, IMAGE, { secondLayer: await flockLayer() });
}
