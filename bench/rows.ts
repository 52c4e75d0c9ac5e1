import type { Row } from "./row.js";
import { archiveRead } from "./rows/archive-read.js";
import { archiveWrite } from "./rows/archive-write.js";
import { checkpointFiles } from "./rows/checkpoint-files.js";
import { checkpointIdle } from "./rows/checkpoint-idle.js";
import { checkpointMemory } from "./rows/checkpoint-memory.js";
import { largeCheckpoint } from "./rows/large-checkpoint.js";
import { largeStore } from "./rows/large-store.js";
import { manyCheckpoints } from "./rows/many-checkpoints.js";
import { profile } from "./rows/profile.js";
import { read } from "./rows/read.js";
import { smallBlobs } from "./rows/small-blobs.js";
import { smallCalls } from "./rows/small-calls.js";
import { startUp } from "./rows/start-up.js";
import { streaming } from "./rows/streaming.js";
import { travel } from "./rows/travel.js";
import { write } from "./rows/write.js";

/** All rows, in the order of the table. */
export const rows: readonly Row[] = [
  read,
  write,
  smallBlobs,
  smallCalls,
  travel,
  checkpointIdle,
  checkpointFiles,
  checkpointMemory,
  profile,
  streaming,
  startUp,
  manyCheckpoints,
  largeStore,
  largeCheckpoint,
  archiveRead,
  archiveWrite,
];
