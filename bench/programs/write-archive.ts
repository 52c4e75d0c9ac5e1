import { program } from "../program.js";

/** REF PATH: writes a checkpoint as an archive for Podman. */
await program(async (client, [ref = "", path = ""]) => {
  await client.exportArchive(ref, { engine: "podman", to: path });
  return {};
});
