import { setTimeout as sleep } from "node:timers/promises";
import { program } from "../program.js";

/** MS: does nothing for so long. */
await program(async (_client, [ms]) => {
  await sleep(Number(ms));
  return {};
});
