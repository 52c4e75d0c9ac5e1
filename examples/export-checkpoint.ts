// Writes a checkpoint with its base image to a file, which appears when it is whole. `client.images.importFile` reads it.
// node export-checkpoint.js <checkpoint> <file>
import { connect, fromEnv } from "containerd-client";

const [ref, file] = process.argv.slice(2);
if (ref === undefined || file === undefined) throw new Error("Usage: export-checkpoint.js <checkpoint> <file>");

await using client = await connect(fromEnv());
await client.images.exportFile(file, ref, {
  onProgress: ({ digest, bytes, size }) => {
    if (bytes === size) console.log(`${digest} ${size} bytes`);
  },
});
