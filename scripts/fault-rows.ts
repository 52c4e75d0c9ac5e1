import { abort } from "../test/faults/abort.js";
import type { FaultCases, Share } from "../test/faults/case.js";
import { ctr } from "../test/faults/checkpointer.js";
import { crowd, oneRef } from "../test/faults/crowd.js";
import { cut } from "../test/faults/cut.js";
import { cutCheckpoint } from "../test/faults/cut-checkpoint.js";
import { diskFull } from "../test/faults/disk-full.js";
import { killClient } from "../test/faults/kill-client.js";
import { killDaemon, killDaemonInRestore } from "../test/faults/kill-daemon.js";
import { killEngine } from "../test/faults/kill-engine.js";
import { killNamed } from "../test/faults/kill-named.js";
import { ours, peers } from "../test/faults/killed.js";
import { lies, malicious } from "../test/faults/malicious/malicious.js";
import type { Scene } from "../test/faults/scene.js";
import { torn } from "../test/faults/torn.js";

/** One row of the table. */
export interface FaultTableRow {
  /** What it is called on the command line; several rows may have one name. */
  readonly name: string;
  readonly fault: string;
  readonly run: (scene: Scene, share: Share) => FaultCases;
  /** The same done to `ctr`. */
  readonly ctr?: (scene: Scene, share: Share) => FaultCases;
  /** Whether it wants a daemon to itself, so that it cannot be shared out. */
  readonly alone?: boolean;
}

const DISK_KIB: readonly number[] = [4, 16, 64, 128, 256, 384, 512, 1024, 2048, 4096];
const SETTLES_MS = 500;

const modes = [
  "",
  "+exit",
  "+memory",
  "+memory+exit",
  "+daemon",
  "+daemon+exit",
  "+daemon+memory",
  "+daemon+memory+exit",
] as const;

function part(cases: number, { of }: Share): number {
  return Math.ceil(cases / of);
}

/** Numbers to begin with that no other share has. */
function seedOf({ at }: Share): number {
  return Date.now() + at * 1_000_003;
}

/** All that is done to a checkpoint, and to what is around it. */
export const faultRows: readonly FaultTableRow[] = [
  ...modes.map((mode) => ({
    name: mode === "" ? "client" : "client-modes",
    fault: `kill -9 of the client at every boundary of a checkpoint${mode.replaceAll("+", ", ")}`,
    run: (scene: Scene, share: Share) => killClient(scene, ours(`checkpoint${mode}` as const), share),
    ...(mode === "" && { ctr: (scene: Scene, share: Share) => killClient(scene, peers("checkpoint"), share) }),
  })),
  ...(["restore", "import", "export"] as const).map((what) => ({
    name: what,
    fault: `kill -9 of the client at every boundary of ${what === "restore" ? "a" : "an"} ${what}`,
    run: (scene: Scene, share: Share) => killClient(scene, ours(what), share),
    ...(what !== "restore" && { ctr: (scene: Scene, share: Share) => killClient(scene, peers(what), share) }),
  })),
  ...(["create", "delete"] as const).flatMap((what) =>
    (["images", "directories"] as const).flatMap((home) =>
      (home === "images" ? (["calls"] as const) : (["calls", "files"] as const)).map((boundaries) => ({
        name: "named",
        fault: `kill -9 of the client during the ${what} of a named checkpoint in ${home}, at every boundary of ${boundaries}`,
        run: (scene: Scene, share: Share) => killNamed(scene, { what, home, boundaries }, share),
      })),
    ),
  ),
  ...[300, 10_000].map((goneMs) => ({
    name: goneMs === 300 ? "daemon" : "daemon-long",
    fault: `kill -9 of the daemon at every boundary, back after ${goneMs / 1000} s`,
    run: (scene: Scene, share: Share) => killDaemon(scene, goneMs, share),
    ctr: (scene: Scene, share: Share) => killDaemon(scene, goneMs, share, ctr),
  })),
  {
    name: "daemon-restore",
    fault: "kill -9 of the daemon at every boundary of a restore, back after 0.3 s",
    run: (scene, share) => killDaemonInRestore(scene, 300, share),
  },
  ...(["containerd-shim", "runc", "criu"] as const).map((engine) => ({
    name: "engine",
    fault: `kill -9 of ${engine} during a checkpoint`,
    run: (scene: Scene, share: Share) => killEngine(scene, engine, part(20, share)),
    ctr: (scene: Scene, share: Share) => killEngine(scene, engine, part(20, share), ctr),
  })),
  {
    name: "abort",
    fault: `abort or deadline at a random moment, over in ${SETTLES_MS} ms`,
    run: (scene, share) => abort(scene, { cases: part(200, share), settlesMs: SETTLES_MS, seed: seedOf(share) }),
    ctr: (scene, share) =>
      abort(scene, { cases: part(200, share), settlesMs: SETTLES_MS, seed: seedOf(share), by: ctr }),
  },
  {
    name: "torn",
    fault: "counter in memory against counter in a file, thawed",
    run: (scene, share) => torn(scene, part(200, share)),
  },
  {
    name: "cut",
    fault: "socket cut, reset, stalled, throttled at a byte of a call",
    run: (scene, share) => cut(scene, part(10_000, share), seedOf(share)),
  },
  {
    name: "cut-checkpoint",
    fault: "socket cut, reset, stalled, throttled at a byte of a checkpoint",
    run: (scene, share) => cutCheckpoint(scene, part(300, share), seedOf(share)),
  },
  {
    name: "malicious",
    fault: `a daemon that lies: ${lies.length} lies, 100 seeds`,
    run: () => malicious(lies, 100),
    alone: true,
  },
  {
    name: "crowd",
    fault: "100 containers at once",
    run: (scene) => crowd(scene, 100),
    ctr: (scene) => crowd(scene, 100, ctr),
    alone: true,
  },
  {
    name: "one-ref",
    fault: "100 checkpoints of a container on one ref",
    run: (scene) => oneRef(scene, 100),
    ctr: (scene) => oneRef(scene, 100, ctr),
    alone: true,
  },
  {
    name: "disk",
    fault: "disk full: dump directory, temporary directory, content store, export target",
    run: (scene) => diskFull(scene, DISK_KIB),
    ctr: (scene) => diskFull(scene, DISK_KIB, ctr),
    alone: true,
  },
];
