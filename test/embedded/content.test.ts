import { dirname, join } from "node:path";
import { RemoteStore } from "../../src/content/remote.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import type { ContentSubject } from "../suites/content-bed.js";
import { contentSuite, namespacesSuite } from "../suites/content-suite.js";
import { embeddedBed, ways } from "./beds.js";

for (const [way, fromFiles] of [...ways.map((one) => [one, false] as const), ["on a directory", true] as const]) {
  const subject = async (): Promise<ContentSubject & Required<Pick<ContentSubject, "other">>> => {
    const bed = await embeddedBed(way);
    const blobs = join(bed.directory, "root", "io.containerd.content.v1.content", "blobs");
    const [mine, theirs] = await Promise.all(
      ["mine", "theirs"].map(async (namespace) => {
        const rpc = bed.rpc(namespace);
        const local = { root: async () => dirname(blobs), fromBytes: 0 };
        return {
          store: new RemoteStore(rpc, fromFiles ? local : undefined),
          call: { lease: await new RemoteLeases(rpc).create() },
        };
      }),
    );
    if (mine === undefined || theirs === undefined) throw new Error("no namespaces");
    const fileOf = (digest: string) => join(blobs, ...digest.split(":"));
    return {
      ...mine,
      ...(way === "on a directory" ? { fileOf } : {}),
      other: theirs,
      end: async () => bed[Symbol.asyncDispose](),
    };
  };
  const name = fromFiles ? `${way}, read from its files` : way;
  contentSuite(`the content of an embedded containerd ${name}`, subject);
  namespacesSuite(`the namespaces of an embedded containerd's content ${name}`, subject);
}
