import {
  type CheckpointOption,
  type Client,
  connect,
  withCheckpointTask,
  withCheckpointTaskExit,
  withCheckpointWay,
} from "../../src/index.js";

/** What a mode of a checkpoint asks for, beside everything by the shortest way. */
const modes: Readonly<Record<string, CheckpointOption>> = {
  daemon: withCheckpointWay("daemon"),
  exit: withCheckpointTaskExit(),
  memory: withCheckpointTask(),
};

/** The operations that are killed in the middle, as a user writes them. */
const operations: Readonly<
  Record<string, (client: Client, id: string, ref: string, options: readonly CheckpointOption[]) => Promise<unknown>>
> = {
  checkpoint: async (client, id, ref, options) => (await client.containers.get(id)).checkpoint(ref, options),
  restore: async (client, id, ref) => {
    const container = await client.restore(id, ref);
    const task = await container.newTask({ checkpoint: ref });
    await task.start();
  },
  // These two take a file instead of a container.
  export: (client, path, ref) => client.images.exportFile(path, ref),
  import: (client, path) => client.images.importFile(path),
};

/** Run as a program of its own: connects, does one of them, such as `checkpoint+daemon`, ends. Somebody kills it meanwhile. */
async function main([what = "", address = "", namespace = "", id = "", ref = ""]: readonly string[]): Promise<void> {
  const [name = "", ...asked] = what.split("+");
  const operation = operations[name];
  const options = asked.map((mode) => modes[mode]);
  if (operation === undefined || !options.every((option) => option !== undefined)) throw new Error(`no ${what}`);
  const client = await connect({ address, namespace });
  await operation(client, id, ref, options);
  await client.close();
}

await main(process.argv.slice(2));
