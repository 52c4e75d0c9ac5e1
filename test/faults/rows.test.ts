import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { describeOnEachDaemon } from "../daemon/releases.js";
import { abort } from "./abort.js";
import type { FaultCases } from "./case.js";
import { crowd, oneRef } from "./crowd.js";
import { cut } from "./cut.js";
import { diskFull } from "./disk-full.js";
import { killClient } from "./kill-client.js";
import { killDaemon, killDaemonInRestore } from "./kill-daemon.js";
import { killEngine } from "./kill-engine.js";
import { ours } from "./killed.js";
import { Scene, sceneDaemon } from "./scene.js";

/** How soon a call settles is for a quiet machine to say. */
const PATIENT_MS = 5_000;

/** A share of each row of npm run test:faults, which has the numbers to be proud of. */
const rows: Readonly<Record<string, (scene: Scene) => FaultCases>> = {
  "kill -9 of the client during a checkpoint": (scene) => killClient(scene, ours("checkpoint"), { at: 20, of: 37 }),
  "kill -9 of the client during a checkpoint with an exit": (scene) =>
    killClient(scene, ours("checkpoint+exit"), { at: 22, of: 43 }),
  "kill -9 of the client during a restore": (scene) => killClient(scene, ours("restore"), { at: 3, of: 29 }),
  "kill -9 of the client during an import": (scene) => killClient(scene, ours("import"), { at: 3, of: 29 }),
  "kill -9 of the client during an export": (scene) => killClient(scene, ours("export"), { at: 25, of: 29 }),
  "kill -9 of the daemon, back after a moment": (scene) => killDaemon(scene, 300, { at: 16, of: 31 }),
  "kill -9 of the daemon in a restore": (scene) => killDaemonInRestore(scene, 300, { at: 40, of: 50 }),
  "kill -9 of the shim": (scene) => killEngine(scene, "containerd-shim", 2),
  "kill -9 of runc": (scene) => killEngine(scene, "runc", 2),
  "kill -9 of criu": (scene) => killEngine(scene, "criu", 2),
  "abort or deadline at a random moment": (scene) => abort(scene, { cases: 5, settlesMs: PATIENT_MS }),
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
