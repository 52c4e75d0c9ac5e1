import type { Digest } from "containerd-client/oci";
import { program } from "../program.js";

const how = process.argv.at(-1);

/** DIGEST SIZE wire|file: reads a blob, verified, and keeps nothing of it. */
await program(
  async (client, [digest, size]) => {
    let bytes = 0;
    for await (const chunk of client.content.read({ digest: digest as Digest, size: Number(size) })) {
      bytes += chunk.length;
    }
    return { bytes };
  },
  { localContent: how === "file" },
);
