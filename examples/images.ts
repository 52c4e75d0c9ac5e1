// Lists the images; with the name of one, everything that it refers to: indexes, manifests, configs, layers.
// node images.js [image] [platform]
import { connect, fromEnv } from "containerd-client";
import { formatPlatform, parsePlatform } from "containerd-client/oci";

const [name, wanted = "linux/amd64"] = process.argv.slice(2);
await using client = await connect(fromEnv());

if (name === undefined) {
  for await (const { name, target } of client.images.list()) console.log(`${name}  ${target.digest}`);
} else {
  const image = await client.images.get(name);
  // What was pulled is complete for one platform only: manifests of the others are named, but may not be here.
  for await (const { descriptor, depth } of image.walk({ platform: parsePlatform(wanted) })) {
    const { mediaType, size, digest, platform } = descriptor;
    const where = platform === undefined ? "" : ` for ${formatPlatform(platform)}`;
    console.log(`${"  ".repeat(depth)}${digest.slice(0, 19)}  ${size} bytes  ${mediaType}${where}`);
  }
}
