import { type Client, connect, withCheckpointTaskExit } from "../../src/index.js";

/** The operations that are killed in the middle, as a user writes them. */
const operations: Readonly<Record<string, (client: Client, id: string, ref: string) => Promise<unknown>>> = {
  checkpoint: async (client, id, ref) => (await client.containers.get(id)).checkpoint(ref),
  "checkpoint-exit": async (client, id, ref) =>
    (await client.containers.get(id)).checkpoint(ref, [withCheckpointTaskExit()]),
  restore: async (client, id, ref) => {
    const container = await client.restore(id, ref);
    const task = await container.newTask({ checkpoint: ref });
    await task.start();
  },
  // These two take a file instead of a container.
  export: (client, path, ref) => client.images.exportFile(path, ref),
  import: (client, path) => client.images.importFile(path),
};

/** Run as a program of its own: connects, does one of them, ends. Somebody kills it meanwhile. */
async function main([what = "", address = "", namespace = "", id = "", ref = ""]: readonly string[]): Promise<void> {
  const operation = operations[what];
  if (operation === undefined) throw new Error(`no operation ${what}`);
  const client = await connect({ address, namespace });
  await operation(client, id, ref);
  await client.close();
}

await main(process.argv.slice(2));
