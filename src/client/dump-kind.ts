import type { CallOptions } from "../call-options.js";
import { isSimulatedDump } from "../checkpoint/simulated-dump.js";
import { FailedPreconditionError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { simulatesTasks } from "./features.js";
import type { Services } from "./services.js";
import { visibleBlobs } from "./visible-blobs.js";

/**
 * Refuses a dump of the wrong kind before anything is made of it: simulated processes are thawed by the runtime that
 * simulates, real ones by criu. `name` is the checkpoint's.
 *
 * @throws {FailedPreconditionError} when the daemon's runtime is of the other kind
 */
export async function requireThawable(
  services: Services,
  task: Descriptor | undefined,
  name: string,
  call: CallOptions,
): Promise<void> {
  if (task === undefined) return;
  await requireKind(services, isSimulatedDump(visibleBlobs(services), task, call), name, call);
}

/**
 * Refuses a dump of the wrong kind, when it is known which it is.
 *
 * @throws {FailedPreconditionError} when the daemon's runtime is of the other kind
 */
export async function requireKind(
  services: Services,
  dump: boolean | Promise<boolean>,
  name: string,
  call: CallOptions,
): Promise<void> {
  const [simulates, simulated] = await Promise.all([simulatesTasks(services, call), dump]);
  if (simulates === simulated) return;
  throw new FailedPreconditionError(
    simulated
      ? `Cannot thaw a task from ${name}: the embedded containerd simulated it, and it is no dump of criu's`
      : `Cannot thaw a task from ${name}: this embedded containerd simulates tasks, and the dump is of a real one`,
    {
      namespace: services.namespace,
      hint: simulated
        ? "Checkpoint a task of this daemon, or of an embedded containerd with an OCI runtime and criu."
        : "Give the embedded containerd an OCI runtime and criu, or use a real daemon.",
    },
  );
}
