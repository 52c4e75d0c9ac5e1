import { type CheckpointResult, type Client, connect, withCheckpointWay } from "containerd-client";

/** What is timed, as a user writes it. */
export const operations = {
  async checkpoint(client: Client, id: string, ref: string): Promise<CheckpointResult> {
    const container = await client.containers.get(id);
    return container.checkpoint(ref);
  },
  async checkpointByDaemon(client: Client, id: string, ref: string): Promise<CheckpointResult> {
    const container = await client.containers.get(id);
    return container.checkpoint(ref, [withCheckpointWay("daemon")]);
  },
  async restore(client: Client, id: string, ref: string): Promise<void> {
    const container = await client.restore(id, ref);
    const task = await container.newTask({ checkpoint: ref });
    await task.start();
  },
};

/** Run as a program: connects, does one of them, ends. */
async function main([what, address, namespace, id, ref]: readonly string[]): Promise<void> {
  if (address === undefined || namespace === undefined || id === undefined || ref === undefined) return;
  if (what !== "checkpoint" && what !== "restore") throw new Error(`no operation ${what}`);
  const client = await connect({ address, namespace });
  await operations[what](client, id, ref);
  await client.close();
}

await main(process.argv.slice(2));
