import { writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type CheckpointOption, connect, withCheckpointTaskExit, withCheckpointWay } from "../../src/index.js";
import { before } from "./before-call.js";

/** What a process of its own is to do, and when it is to die of it. */
export interface ChildWork {
  readonly address: string;
  readonly namespace: string;
  readonly id: string;
  readonly ref: string;
  /** Restores to `id` instead of checkpointing it. */
  readonly restore?: boolean;
  readonly exit?: boolean;
  readonly way?: "directory" | "daemon";
  readonly guardian?: boolean;
  readonly operationId?: string;
  readonly maxPausedMs?: number;
  /** It kills or stops itself when it enters this phase, or so much later. */
  readonly dieIn?: string;
  readonly afterMs?: number;
  readonly signal?: "SIGKILL" | "SIGSTOP";
  /** The directory of a cgroup it goes into first. */
  readonly cgroup?: string;
  /** It kills itself instead of calling this method of the tasks. */
  readonly dieBefore?: "Pause";
}

/** Run as a program of its own: does the work, says which phases it enters, and how it ended. */
async function main(work: ChildWork): Promise<void> {
  const { address, namespace, id, ref, guardian, operationId, maxPausedMs, afterMs, signal = "SIGKILL" } = work;
  if (work.cgroup !== undefined) writeFileSync(join(work.cgroup, "cgroup.procs"), String(process.pid));
  const client = await connect(
    work.dieBefore === undefined
      ? { address, namespace, guardian }
      : { transport: before(address, work.dieBefore, () => process.kill(process.pid, "SIGKILL")), namespace, guardian },
  );
  const die = (): unknown => process.kill(process.pid, signal);
  const onProgress = ({ phase, bytes }: { readonly phase: string; readonly bytes?: number }): void => {
    if (bytes !== undefined) return;
    writeSync(1, `${phase}\n`);
    if (phase !== work.dieIn) return;
    if (afterMs === undefined) die();
    else setTimeout(die, afterMs);
  };
  const call = { operationId, onProgress };
  try {
    if (work.restore === true) {
      await client.restore(id, ref, [], call);
    } else {
      const options: CheckpointOption[] = [];
      if (work.exit === true) options.push(withCheckpointTaskExit());
      if (work.way !== undefined) options.push(withCheckpointWay(work.way));
      const container = await client.containers.get(id);
      const { guarded } = await container.checkpoint(ref, options, { ...call, maxPausedMs });
      writeSync(1, `guarded ${guarded}\n`);
    }
    writeSync(1, "succeeded\n");
  } catch (reason) {
    writeSync(1, `failed ${String((reason as { readonly code?: unknown }).code)}\n`);
  }
  await client.close();
}

await main(JSON.parse(process.argv[2] ?? "{}") as ChildWork);
