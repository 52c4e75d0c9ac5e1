import type { CheckpointOption } from "../checkpoint/plan.js";
import type { CheckpointCall, CheckpointResult } from "./checkpointing.js";
import { useGuardian } from "./recovery/guardian.js";
import type { Services } from "./services.js";

/** Checkpoints a container. The guardian takes as long to start as what makes a checkpoint takes to be loaded: both begin here. */
export async function startCheckpoint(
  services: Services,
  id: string,
  ref: string,
  options: readonly CheckpointOption[],
  call: CheckpointCall,
): Promise<CheckpointResult> {
  const guardian = services.guardian ? useGuardian(services.rpc.transport) : undefined;
  try {
    // Looking at images takes the second: loaded with the rest, nobody waits for it later.
    const [{ performCheckpoint }] = await Promise.all([import("./checkpointing.js"), import("./image.js")]);
    return await performCheckpoint(services, id, ref, options, call);
  } finally {
    guardian?.release();
  }
}
