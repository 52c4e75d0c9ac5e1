import { type Container, isAlreadyExists, isCheckpointInProgress } from "../../src/index.js";
import { countsBeyond, discard, IMAGE } from "../daemon/counter.js";
import { type FaultCases, told } from "./case.js";
import { type Checkpointer, library } from "./checkpointer.js";
import type { Scene } from "./scene.js";

/** A hundred of the usual counters would leave the machine no time for anything else. */
const SLOW_COUNT = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i > /count; sleep 2; done"];
const COUNTS_ON_MS = 10_000;
/** Makes no processes, so that it is never caught making one, which would be paused a second time. */
const ALONE_COUNT = [
  "sh",
  "-c",
  "mkfifo /nothing; exec 3<>/nothing; i=0; while :; do i=$((i+1)); echo $i > /count; read -t 1 x <&3; done",
];

/** Many containers are frozen at once: every one gets its checkpoint, and runs on. */
export async function* crowd(scene: Scene, size: number, by: Checkpointer = library): FaultCases {
  const { client, auditor } = scene;
  const before = await auditor.inventory();
  const containers: Container[] = [];
  for (let nth = 0; nth < size; nth++) {
    const container = await client.containers.create(scene.fresh("one"), { image: IMAGE, args: SLOW_COUNT });
    await (await container.newTask()).start();
    containers.push(container);
  }
  for (const container of containers) await countsBeyond(client, container, 0);
  const failures = await Promise.all(
    containers.map((container) => by.make(scene, `all:${container.id}`, { container })),
  );
  for (const [at, container] of containers.entries()) {
    const troubles: string[] = [];
    if (failures[at] !== undefined) troubles.push(told(failures[at]));
    const missing = await auditor.missingOf(`all:${container.id}`);
    if (missing === undefined || missing.length > 0) troubles.push("no whole image");
    const stuck = await scene.trouble(COUNTS_ON_MS, container);
    if (stuck !== undefined) troubles.push(stuck);
    yield { name: `${at + 1} of ${size} at once`, troubles };
  }
  for (const container of containers) {
    await discard(container);
    await client.images.delete(`all:${container.id}`, { sync: true }).catch(() => {});
  }
  const residue = await auditor.residue(before);
  yield { name: `after ${size} at once`, troubles: residue.map((what) => `left behind: ${what}`) };
}

/** Many checkpoints of one container go to one ref: one wins, the others are refused before they freeze anything. */
export async function* oneRef(scene: Scene, size: number, by: Checkpointer = library): FaultCases {
  const { client, auditor } = scene;
  const before = await auditor.inventory();
  const container = await client.containers.create(scene.fresh("alone"), { image: IMAGE, args: ALONE_COUNT });
  await (await container.newTask()).start();
  const ref = scene.fresh("contested");
  let pauses = 0;
  const stop = new AbortController();
  const watching = (async () => {
    for await (const event of client.events(["/tasks/paused"], { signal: stop.signal }))
      if (event.payload.containerId === container.id) pauses++;
  })().catch((reason: unknown) => {
    if (!stop.signal.aborted) throw reason;
  });
  // The daemon does not say when a subscription stands.
  await countsBeyond(client, container, 1);
  const results = await Promise.all(Array.from({ length: size }, () => by.make(scene, ref, { container })));
  const refusals = results.filter((reason) => reason !== undefined);
  const wins = size - refusals.length;
  const untyped = refusals.filter((reason) => !isAlreadyExists(reason) && !isCheckpointInProgress(reason));
  const troubles = [
    ...(wins === 1 ? [] : [`${wins} won`]),
    ...untyped.map((reason) => `not a refusal: ${told(reason)}`),
  ];
  const stuck = await scene.trouble(COUNTS_ON_MS, container);
  if (stuck !== undefined) troubles.push(stuck);
  stop.abort();
  await watching;
  if (pauses !== 1) troubles.push(`the task was paused ${pauses} times`);
  await auditor.ctr("images", "rm", "--sync", ref);
  await discard(container);
  troubles.push(...(await auditor.residue(before)).map((what) => `left behind: ${what}`));
  yield { name: `${size} on one ref`, troubles };
}
