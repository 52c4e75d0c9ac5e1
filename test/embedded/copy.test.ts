import { join } from "node:path";
import { RemoteStore } from "../../src/content/remote.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import { layoutSubject } from "../content/layout-bed.js";
import type { ContentSubject } from "../suites/content-bed.js";
import { damageSuite } from "../suites/content-damage.js";
import { copySuite } from "../suites/copy-suite.js";
import { embeddedBed, ways } from "./beds.js";

type FileSubject = ContentSubject & Required<Pick<ContentSubject, "fileOf">>;

async function subject(way: (typeof ways)[number]): Promise<FileSubject> {
  const bed = await embeddedBed(way);
  const rpc = bed.rpc();
  const blobs = join(bed.directory, "root", "io.containerd.content.v1.content", "blobs");
  return {
    store: new RemoteStore(rpc),
    call: { lease: await new RemoteLeases(rpc).create() },
    fileOf: (digest) => join(blobs, ...digest.split(":")),
    end: async () => bed[Symbol.asyncDispose](),
  };
}

for (const way of ways) {
  copySuite(`a copy from a layout into an embedded containerd ${way}`, layoutSubject, () => subject(way));
}
copySuite(
  "a copy from an embedded containerd on a directory into a layout",
  () => subject("on a directory"),
  layoutSubject,
);
damageSuite("an embedded containerd on a directory", () => subject("on a directory"));
