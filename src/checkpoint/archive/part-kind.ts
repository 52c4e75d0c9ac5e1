interface Plain<K extends string> {
  readonly kind: K;
}

/** What a file of a checkpoint archive is, by its name alone. */
export type FileKind =
  | Plain<"config">
  | Plain<"spec">
  | Plain<"status">
  | Plain<"network">
  | Plain<"deleted-files">
  | Plain<"rootfs-diff">
  | Plain<"shm">
  | Plain<"bind-mounts">
  | Plain<"pod">
  | Plain<"other">
  | { readonly kind: "volume"; readonly volume: string }
  | { readonly kind: "log"; readonly of: "container" | "criu" }
  | { readonly kind: "stats"; readonly of: "dump" | "restore" }
  | { readonly kind: "criu"; readonly image: string; readonly isPreDump: boolean; readonly checkpoint?: string };

const files: Readonly<Record<string, FileKind>> = {
  "config.dump": { kind: "config" },
  "spec.dump": { kind: "spec" },
  status: { kind: "status" },
  "status.dump": { kind: "status" },
  "network.status": { kind: "network" },
  "deleted.files": { kind: "deleted-files" },
  "rootfs-diff.tar": { kind: "rootfs-diff" },
  "devshm-checkpoint.tar": { kind: "shm" },
  "bind.mounts": { kind: "bind-mounts" },
  "pod.options": { kind: "pod" },
  "pod.dump": { kind: "pod" },
  "stats-dump": { kind: "stats", of: "dump" },
  "stats-restore": { kind: "stats", of: "restore" },
  "ctr.log": { kind: "log", of: "container" },
  "container.log": { kind: "log", of: "container" },
  "io.kubernetes.cri-o.LogPath": { kind: "log", of: "container" },
  "dump.log": { kind: "log", of: "criu" },
  "restore.log": { kind: "log", of: "criu" },
};

const engineDump = /^(pre-)?checkpoint\/([^/]+)$/;
const volume = /^volumes\/([^/]+)\.tar$/;
// Docker's directory of a container, or the one of a checkpoint in it, or only what that holds.
const dockerDump = /^(?:(?:[^/]+\/)?checkpoints\/|)([^/]+)\/([^/]+)$/;
const dockerFile = /^(?:[^/]+\/)?(?:config\.v2\.json|([0-9a-f]{64})-json\.log)$/;
const image = /^(?:.+\.img|descriptors\.json)$/;
const ownDirectory = /^(?:volumes|artifacts|blobs)$/;

/** Says what a file is; what is not known is `other`. */
export function kindOf(path: string): FileKind {
  if (Object.hasOwn(files, path)) return files[path] as FileKind;
  const [, pre, inEngineDump] = engineDump.exec(path) ?? [];
  if (inEngineDump !== undefined) return { kind: "criu", image: inEngineDump, isPreDump: pre !== undefined };
  const [, name] = volume.exec(path) ?? [];
  if (name !== undefined) return { kind: "volume", volume: name };
  if (!path.includes("/") && image.test(path)) return { kind: "criu", image: path, isPreDump: false };
  const docker = dockerFile.exec(path);
  if (docker !== null) return docker[1] === undefined ? { kind: "config" } : { kind: "log", of: "container" };
  const [, checkpoint = "", inDockerDump = ""] = dockerDump.exec(path) ?? [];
  const isInDump = image.test(inDockerDump) && !ownDirectory.test(checkpoint);
  if (isInDump) return { kind: "criu", image: inDockerDump, isPreDump: false, checkpoint };
  return { kind: "other" };
}

/** Whether that is where a dump says which other one it builds on. */
export function isParentLink(path: string): boolean {
  return /^(?:[^/]+\/)?parent$/.test(path);
}
