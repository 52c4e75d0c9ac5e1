import { cpus, release, totalmem } from "node:os";
import type { Bench } from "./bench.js";
import type { GoClient } from "./go-client.js";

/** What figures depend on that are no figures of ours. */
export interface Machine {
  readonly cpus: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly containerd: string;
  readonly ctr: string;
  readonly runc: string;
  readonly criu: string;
  readonly go: string;
}

/** Asks everything for its version. */
export async function describeMachine({ client, daemon }: Bench, go: GoClient | undefined): Promise<Machine> {
  const [cpu] = cpus();
  const { version } = await client.version();
  const say = async (program: "ctr" | "runc" | "criu") => {
    const { stdout } = await daemon.inBox(daemon.binaries[program], ["--version"]);
    return stdout.split("\n")[0] ?? "";
  };
  return {
    cpus: `${cpus().length} × ${cpu?.model ?? "?"}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    containerd: version,
    ctr: await say("ctr"),
    runc: await say("runc"),
    criu: await say("criu"),
    go: go?.version ?? "not asked for: --go",
  };
}
