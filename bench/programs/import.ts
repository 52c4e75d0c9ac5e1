import { program } from "../program.js";

/** PATH: imports the images of an archive. */
await program(async (client, [path = ""]) => {
  const images = await client.images.importFile(path);
  return { images: images.length };
});
