import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { describeOnEachDaemon } from "../daemon/releases.js";
import { abort } from "./abort.js";
import type { FaultCases } from "./case.js";
import { crowd, oneRef } from "./crowd.js";
import { cut } from "./cut.js";
import { diskFull } from "./disk-full.js";
import { killClient, ours } from "./kill-client.js";
import { killDaemon } from "./kill-daemon.js";
import { killEngine } from "./kill-engine.js";
import { Scene, sceneDaemon } from "./scene.js";

/** A share of each row of npm run test:faults, which has the numbers to be proud of. */
const rows: Readonly<Record<string, (scene: Scene) => FaultCases>> = {
  "kill -9 of the client during a checkpoint": (scene) => killClient(scene, ours("checkpoint"), 37),
  "kill -9 of the client during a checkpoint with an exit": (scene) => killClient(scene, ours("checkpoint-exit"), 43),
  "kill -9 of the client during a restore": (scene) => killClient(scene, ours("restore"), 29),
  "kill -9 of the client during an import": (scene) => killClient(scene, ours("import"), 29),
  "kill -9 of the client during an export": (scene) => killClient(scene, ours("export"), 29),
  "kill -9 of the daemon, back after a moment": (scene) => killDaemon(scene, 300, 31),
  "kill -9 of the shim": (scene) => killEngine(scene, "containerd-shim", 2),
  "kill -9 of runc": (scene) => killEngine(scene, "runc", 2),
  "kill -9 of criu": (scene) => killEngine(scene, "criu", 2),
  "abort or deadline at a random moment": (scene) => abort(scene, 5),
  "socket cut at a byte": (scene) => cut(scene, 150),
  "several containers at once": (scene) => crowd(scene, 5),
  "several checkpoints on one ref": (scene) => oneRef(scene, 20),
  "disk full": (scene) => diskFull(scene, [16, 512]),
};

describeOnEachDaemon(
  "faults",
  (daemon) => {
    let scene: Scene;
    before(async () => {
      scene = await Scene.open(daemon(), "faults");
    });
    // What is in the daemon ends with it.
    after(() => scene.client.close());

    for (const [fault, run] of Object.entries(rows)) {
      it(`${fault} leaves the task running and nothing behind`, async () => {
        for await (const { name, troubles } of run(scene)) assert.deepEqual(troubles, [], name);
      });
    }
  },
  sceneDaemon,
);
