import { type Client, type Container, connect } from "containerd-client";

/** The two things that are timed, as a user writes them. */
export const operations = {
  async checkpoint(client: Client, id: string, ref: string): Promise<void> {
    const container = await client.containers.get(id);
    await container.checkpoint(ref);
  },
  async restore(client: Client, id: string, ref: string): Promise<void> {
    const container: Container = await client.restore(id, ref);
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
