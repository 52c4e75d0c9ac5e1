import { type Client, connect } from "containerd-client";
import { startDaemon } from "../lab/daemon.js";
import type { Bench } from "./bench.js";

/**
 * Has a daemon that keeps its files in memory, while it is used: where a disk takes most of the time, one cannot see what the calls
 * take, and a large store takes minutes to fill.
 */
export async function withMemoryDaemon(
  bench: Bench,
  use: (daemon: { readonly address: string; readonly client: Client }) => Promise<void>,
): Promise<void> {
  await using daemon = await startDaemon("v21", { collectsEagerly: false });
  await daemon.kill("SIGTERM");
  await daemon.inBox("mount", ["-t", "tmpfs", "tmpfs", daemon.root]);
  await daemon.start();
  const { address } = daemon;
  await using client = await connect({ address, namespace: bench.client.namespace });
  await use({ address, client });
}
