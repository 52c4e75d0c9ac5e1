import type { Bench, Ran } from "../bench.js";
import { discard, startKeeper } from "../containers.js";
import type { Row } from "../row.js";

const CHECKPOINT = "of a checkpoint of an idle shell";
const RESTORE = "of a restore of 300 MB";
const REST = "Node's start and end";

const stages: Readonly<Record<string, readonly string[]>> = {
  [CHECKPOINT]: [REST, "import", "connect", "before the pause", "pause, dump and resume", "after the pause", "close"],
  [RESTORE]: [
    REST,
    "import",
    "connect",
    "restore: snapshot and container",
    "newTask: unpack and verify the dump, make the task",
    "start: criu",
    "close",
  ],
};

/** Where the time goes in what a user waits for; nobody else can be looked into so. */
export const profile: Row = {
  name: "profile",
  lines: Object.entries(stages).flatMap(([work, names]) =>
    names.map((name) => ({ what: `${work}: ${name}`, unit: "ms" as const })),
  ),
  async run(bench) {
    const rounds = bench.rounds(9);
    const idle = await startKeeper(bench, "profile-idle", 0);
    for (let round = 0; round < rounds; round += 1) {
      add(bench, CHECKPOINT, await bench.ours("profile-checkpoint", [idle.id, "cp:profile"]));
      await bench.client.images.delete("cp:profile", { sync: true });
    }
    await discard(idle);
    const id = "profile-memory";
    const large = await startKeeper(bench, id, bench.mebibytes(300, 32));
    await large.checkpoint("cp:profile");
    await discard(large);
    for (let round = 0; round < rounds; round += 1) {
      add(bench, RESTORE, await bench.ours("profile-restore", [id, "cp:profile"]));
      await discard(await bench.client.containers.get(id));
    }
    await bench.client.images.delete("cp:profile", { sync: true });
  },
};

function add(bench: Bench, work: string, { wallMs, output }: Ran): void {
  const took = Object.entries(output);
  const named = took.reduce((sum, [, ms]) => sum + ms, 0);
  for (const [name, ms] of [...took, [REST, wallMs - named] as const]) bench.figures.add(`${work}: ${name}`, ms);
}
