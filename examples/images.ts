// Lists the images; with the name of one, everything that it refers to: indexes, manifests, configs, layers.
// node images.js [image] [platform]
import { connect, fromEnv } from "containerd-client";
import { type Node, walk } from "containerd-client/content";
import { formatPlatform, parsePlatform, platformMatcher } from "containerd-client/oci";

const [name, wanted = "linux/amd64"] = process.argv.slice(2);
await using client = await connect(fromEnv());

if (name === undefined) {
  for await (const { name, target } of client.images.list()) console.log(`${name}  ${target.digest}`);
} else {
  const image = await client.images.get(name);
  const matcher = platformMatcher(parsePlatform(wanted));
  // What was pulled is complete for one platform only: manifests of the others are named, but may not be here.
  const skip = ({ descriptor: { platform } }: Node) => platform !== undefined && !matcher.matches(platform);
  for await (const { descriptor, depth } of walk(client.content, image.target, { skip })) {
    const { mediaType, size, digest, platform } = descriptor;
    const where = platform === undefined ? "" : ` for ${formatPlatform(platform)}`;
    console.log(`${"  ".repeat(depth)}${digest.slice(0, 19)}  ${size} bytes  ${mediaType}${where}`);
  }
}
