import type { CallOptions } from "../call-options.js";
import type { Provider } from "../content/store.js";
import type { Descriptor } from "../oci/descriptor.js";
import { listTarMembers } from "./tar-members.js";

/** What the runtime is called whose processes are simulated. */
export const SIMULATED_RUNTIME = "simulated";

/** The first member of a dump the embedded containerd's simulated runtime made. No program but that can thaw it. */
export const SIMULATED_DUMP = "containerd-client.simulated.json";

/** Whether a dump is of simulated processes, and not of criu's making. */
export async function isSimulatedDump(provider: Provider, task: Descriptor, call: CallOptions = {}): Promise<boolean> {
  for await (const { name } of listTarMembers(provider, task, call)) return name === SIMULATED_DUMP;
  return false;
}
