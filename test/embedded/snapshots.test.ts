import * as zlib from "node:zlib";
import { runCommand } from "../../lab/command.js";
import { Client } from "../../src/client/client.js";
import type { Mount } from "../../src/client/mount.js";
import type { SnapshotSubject } from "../suites/snapshot-bed.js";
import { snapshotSuite } from "../suites/snapshot-suite.js";
import { embeddedBed, ways } from "./beds.js";

const isRoot = process.platform === "linux" && process.getuid?.() === 0;

for (const way of ways) {
  snapshotSuite(`the snapshots of an embedded containerd ${way}`, async (): Promise<SnapshotSubject> => {
    const bed = await embeddedBed(way);
    return {
      client: new Client({ transport: bed.transport, namespace: "mine" }),
      other: new Client({ transport: bed.transport, namespace: "theirs" }),
      rpc: bed.rpc("mine"),
      shell: isRoot && way === "on a directory" ? shell : undefined,
      writesZstd: "createZstdCompress" in zlib,
      end: async () => {
        await bed[Symbol.asyncDispose]();
      },
    };
  });
}

/** Mounts as a runtime would, in a mount namespace of its own. */
async function shell(mounts: readonly Mount[], script: string): Promise<string> {
  const [mount] = mounts;
  if (mount?.type !== "bind") throw new Error("not one directory");
  const [access] = mount.options;
  const lines = ["mount --bind $1 /mnt", `mount -o remount,bind,${access} /mnt`, "cd /mnt", script];
  const args = ["--mount", "sh", "-euc", lines.join("\n"), "shell", mount.source];
  return (await runCommand("unshare", args)).stdout;
}
