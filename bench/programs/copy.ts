import { copy, LayoutStore } from "containerd-client/content";
import { program } from "../program.js";

/** REF DIRECTORY: copies an image into an image layout. */
await program(async (client, [ref = "", directory = ""]) => {
  const layout = await LayoutStore.open(directory, { create: true });
  const { target } = await client.images.get(ref);
  const { bytes } = await copy(client.content, layout, target);
  return { bytes };
});
