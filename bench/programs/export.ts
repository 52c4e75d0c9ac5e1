import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { program } from "../program.js";

/** REF PATH HOW: exports an image, as a stream into a file, or as a file that is on the disk when it is there. */
await program(async (client, [ref = "", path = "", how]) => {
  if (how === "stream") await pipeline(client.images.export(ref), createWriteStream(path));
  else await client.images.exportFile(path, ref);
  return {};
});
