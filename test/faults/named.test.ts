import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Daemon, startDaemon } from "../../lab/daemon.js";
import { testedReleases } from "../daemon/releases.js";
import { type KilledNamed, killNamed } from "./kill-named.js";
import { Scene, sceneDaemon } from "./scene.js";

/** A share of what `npm run test:faults named` does: each how many boundaries apart. */
const shares: readonly (readonly [KilledNamed, of: number])[] = [
  [{ what: "create", home: "images", boundaries: "calls" }, 61],
  [{ what: "create", home: "directories", boundaries: "calls" }, 61],
  [{ what: "create", home: "directories", boundaries: "files" }, 37],
  [{ what: "delete", home: "images", boundaries: "calls" }, 7],
  [{ what: "delete", home: "directories", boundaries: "calls" }, 7],
  [{ what: "delete", home: "directories", boundaries: "files" }, 3],
];

const release = testedReleases().at(-1);
const why = process.env["LAB_WHY_NOT"] ?? "no containerd is prepared: run npm test once";

describe("named checkpoints whose maker is killed", { skip: release === undefined ? why : false }, () => {
  let daemon: Daemon;
  let scene: Scene;
  before(async () => {
    assert.ok(release);
    daemon = await startDaemon(release, sceneDaemon);
    scene = await Scene.open(daemon, "named-faults");
  });
  after(async () => {
    await scene?.client.close();
    await daemon?.stop();
  });

  for (const [killed, of] of shares) {
    const { what, home, boundaries } = killed;
    it(`are whole or not there: ${what}, kept as ${home}, at boundaries of ${boundaries}`, async () => {
      for await (const { name, troubles } of killNamed(scene, killed, { at: 0, of }))
        assert.deepEqual(troubles, [], name);
    });
  }
});
