import type { Row } from "./row.js";
import { archives } from "./rows/archives.js";
import { checkpointIdle } from "./rows/checkpoint-idle.js";
import { checkpointMemory } from "./rows/checkpoint-memory.js";
import { read } from "./rows/read.js";
import { smallBlobs } from "./rows/small-blobs.js";
import { smallCalls } from "./rows/small-calls.js";
import { startUp } from "./rows/start-up.js";
import { streaming } from "./rows/streaming.js";
import { write } from "./rows/write.js";

/** All rows, in the order of the table. */
export const rows: readonly Row[] = [
  read,
  write,
  smallBlobs,
  smallCalls,
  checkpointIdle,
  checkpointMemory,
  streaming,
  startUp,
  archives,
];
