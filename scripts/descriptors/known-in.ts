/** Which releases of containerd know what not all of them know. */

/** A range of releases, from the first that knows something to before the first that no longer does. */
export interface KnownIn {
  readonly from?: string;
  readonly before?: string;
}

/** Old full names of types that moved between releases without a change of shape, with their present names. */
export const movedTypes: ReadonlyMap<string, string> = new Map([
  ["containerd.services.events.v1.Envelope", "containerd.types.Envelope"],
]);

/** Symbols and members of our description that some release does not know. What is not listed, all know. */
export const knownIn: ReadonlyMap<string, KnownIn> = new Map<string, KnownIn>([
  ["containerd.events.ContentCreate", { from: "2.1.0" }],
  ["containerd.events.ContentCreate.mediaType", { from: "2.4.0" }],
  ["containerd.events.SandboxCreate", { from: "1.7.0" }],
  ["containerd.events.SandboxExit", { from: "1.7.0" }],
  ["containerd.events.SandboxStart", { from: "1.7.0" }],
  ["containerd.events.SnapshotCommit.snapshotter", { from: "1.7.0" }],
  ["containerd.events.SnapshotPrepare.snapshotter", { from: "1.7.0" }],
  ["containerd.events.SnapshotRemove.snapshotter", { from: "1.7.0" }],
  ["containerd.runc.v1.CheckpointOptions.parent_path", { from: "2.4.0" }],
  ["containerd.runc.v1.Options.criu_path", { before: "2.0.0" }],
  ["containerd.runc.v1.Options.task_api_address", { from: "2.0.0" }],
  ["containerd.runc.v1.Options.task_api_version", { from: "2.0.0" }],
  ["containerd.services.containers.v1.Container.sandbox", { from: "1.7.0" }],
  ["containerd.services.diff.v1.ApplyRequest.sync_fs", { from: "1.7.14" }],
  ["containerd.services.diff.v1.DiffRequest.source_date_epoch", { from: "1.7.0" }],
  ["containerd.services.images.v1.CreateImageRequest.source_date_epoch", { from: "1.7.0" }],
  ["containerd.services.images.v1.DeleteImageRequest.target", { from: "2.0.0" }],
  ["containerd.services.images.v1.UpdateImageRequest.source_date_epoch", { from: "1.7.0" }],
  ["containerd.services.introspection.v1.DeprecationWarning", { from: "1.7.9" }],
  ["containerd.services.introspection.v1.Introspection.PluginInfo", { from: "2.0.0" }],
  ["containerd.services.introspection.v1.PluginInfoRequest", { from: "2.0.0" }],
  ["containerd.services.introspection.v1.PluginInfoResponse", { from: "2.0.0" }],
  ["containerd.services.introspection.v1.ServerResponse.deprecations", { from: "1.7.9" }],
  ["containerd.services.introspection.v1.ServerResponse.pid", { from: "1.7.0" }],
  ["containerd.services.introspection.v1.ServerResponse.pidns", { from: "1.7.0" }],
  ["containerd.services.snapshots.v1.CommitSnapshotRequest.parent", { from: "2.2.0" }],
  ["containerd.services.tasks.v1.CreateTaskRequest.task_api_address", { from: "2.3.1" }],
  ["containerd.services.tasks.v1.CreateTaskRequest.task_api_version", { from: "2.3.1" }],
  ["containerd.types.Platform.os_features", { from: "2.3.0" }],
  ["containerd.types.Platform.os_version", { from: "2.0.0" }],
  ["containerd.types.RuntimeInfo", { from: "2.0.0" }],
  ["containerd.types.RuntimeRequest", { from: "2.0.0" }],
  ["containerd.types.RuntimeVersion", { from: "2.0.0" }],
]);

/** Tells whether a release lies in the range; a symbol without a range is known to all. */
export function isKnownIn(version: string, range: KnownIn | undefined): boolean {
  const from = range?.from === undefined || compareVersions(version, range.from) >= 0;
  const before = range?.before === undefined || compareVersions(version, range.before) < 0;
  return from && before;
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
