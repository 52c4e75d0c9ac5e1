import { program } from "../program.js";

/** REF: visits everything below an image. */
await program(async (client, [ref = ""]) => {
  const image = await client.images.get(ref);
  let visited = 0;
  for await (const _ of image.walk()) visited += 1;
  return { visited };
});
