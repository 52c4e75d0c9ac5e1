import { program } from "../program.js";

/** ID...: checkpoints all of these containers, as many at once as the client lets. Each image is named for its container. */
await program(async (client, ids) => {
  await Promise.all(
    ids.map(async (id) => {
      const container = await client.containers.get(id);
      await container.checkpoint(`cp:${id}`);
    }),
  );
  return { checkpoints: ids.length };
});
