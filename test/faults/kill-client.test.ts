import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { describeOnEachDaemon } from "../daemon/releases.js";
import { killClient, ours } from "./kill-client.js";
import { Scene, sceneDaemon } from "./scene.js";

/** Every boundary is tried by npm run test:faults. */
const STEP = 7;

describeOnEachDaemon(
  "kill -9 of the client at the boundaries of its calls",
  (daemon) => {
    let scene: Scene;
    before(async () => {
      scene = await Scene.open(daemon(), "killed");
    });
    after(() => scene[Symbol.asyncDispose]());

    for (const what of ["checkpoint", "checkpoint-exit", "restore"]) {
      it(`of a ${what} leaves the task running and, after a sweep, nothing behind`, async () => {
        for await (const { name, troubles } of killClient(scene, ours(what), STEP))
          assert.deepEqual(troubles, [], name);
      });
    }
  },
  sceneDaemon,
);
