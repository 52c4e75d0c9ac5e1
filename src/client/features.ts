import { Version } from "../api/services/version/v1/version_pb.js";
import type { CallOptions } from "../call-options.js";
import { SIMULATED_RUNTIME } from "../checkpoint/simulated-dump.js";
import { FailedPreconditionError, isContainerdError, NotImplementedError } from "../errors.js";
import type { Platform } from "../oci/platform.js";
import type { ContainerRecord } from "./container-record.js";
import type { Plugin } from "./introspection.js";
import { remember } from "./remembered.js";
import type { Services } from "./services.js";

/** @throws {FailedPreconditionError} when the daemon has no such plugin, or could not load it */
export async function requirePlugin(
  services: Services,
  type: string,
  id: string,
  needed: boolean,
  call: CallOptions,
): Promise<void> {
  if (!needed) return;
  const plugin = (await knownPlugins(services, call)).find((one) => one.type === type && one.id === id);
  if (plugin !== undefined && plugin.initError === undefined) return;
  throw new FailedPreconditionError(
    plugin === undefined
      ? `The daemon has no plugin ${type}.${id}`
      : `The daemon could not load plugin ${type}.${id}: ${plugin.initError}`,
  );
}

/** The platform of the containers the daemon runs: where it says nothing, linux/amd64. */
export async function daemonPlatform(services: Services, call: CallOptions): Promise<Platform> {
  const all = await knownPlugins(services, call);
  const platforms = all.find((one) => one.type === "io.containerd.runtime.v2" && one.platforms.length > 0)?.platforms;
  return platforms?.[0] ?? { os: "linux", architecture: "amd64" };
}

/** The snapshotters the daemon could load. */
export async function loadedSnapshotters(services: Services, call: CallOptions): Promise<readonly string[]> {
  const all = await knownPlugins(services, call);
  return all
    .filter(({ type, initError }) => type === "io.containerd.snapshotter.v1" && initError === undefined)
    .map(({ id }) => id);
}

/** Whether the daemon's tasks are simulated processes, as those of an embedded containerd may be. */
export async function simulatesTasks(services: Services, call: CallOptions): Promise<boolean> {
  const all = await knownPlugins(services, call);
  return all.some(
    ({ type, capabilities }) => type === "io.containerd.runtime.v2" && capabilities.includes(SIMULATED_RUNTIME),
  );
}

/**
 * Asks the runtime itself whether it was built without checkpoint. Daemons before 2.0 cannot be asked, and a runtime that says nothing
 * is given the benefit of the doubt. The daemon runs it to find out, which takes longer than a runtime needs to refuse a dump: it
 * is asked when one has failed.
 */
export async function lacksCheckpoint(
  services: Services,
  { runtime }: ContainerRecord,
  call: CallOptions,
): Promise<boolean> {
  try {
    const features = await services.introspection.runtimeFeatures(runtime.name, {
      ...call,
      runtimeOptions: runtime.options,
    });
    const annotations = features?.["annotations"] as Readonly<Record<string, unknown>> | undefined;
    return annotations?.["org.opencontainers.runc.checkpoint.enabled"] === "false";
  } catch (reason) {
    if (!isContainerdError(reason)) throw reason;
    return false;
  }
}

/** @throws {NotImplementedError} when the daemon packs no layers with zstd: containerd does since 2.0 */
export async function requireZstd(services: Services, needed: boolean, call: CallOptions): Promise<void> {
  if (!needed) return;
  const { version } = await remember(services, "version", call, (own) =>
    services.rpc.unary(Version.method.version, {}, own),
  );
  const major = Number(/^v?(\d+)\./.exec(version)?.[1] ?? Number.NaN);
  if (major >= 2 || Number.isNaN(major)) return;
  throw new NotImplementedError(`containerd ${version} cannot pack the rw layer with zstd`, {
    hint: 'Use withCheckpointRW("gzip") or withCheckpointRW("none").',
  });
}

/** The daemon's plugins, asked for once a minute at most. */
export function knownPlugins(services: Services, call: CallOptions): Promise<readonly Plugin[]> {
  return remember(services, "plugins", call, (own) => services.introspection.plugins([], own));
}
