export { cgroupsPathFor } from "./cgroups-path.js";
export { type ImageConfigOptions, withImageConfig } from "./spec-image.js";
export {
  withAddedCapabilities,
  withCapabilities,
  withDevices,
  withDroppedCapabilities,
  withHostNamespace,
  withNamespacePath,
  withoutSeccomp,
  withPrivileged,
} from "./spec-isolation.js";
export { withMounts, withoutMounts, withReadonlyRootFS } from "./spec-mounts.js";
export {
  type EnvChanges,
  withAnnotations,
  withArgs,
  withCwd,
  withEnv,
  withHostname,
  withNoNewPrivileges,
  withRlimit,
  withTerminal,
} from "./spec-process.js";
export { withCgroupsPath, withCpuQuota, withCpuShares, withMemoryLimit, withPidsLimit } from "./spec-resources.js";
export { parseUser, type ResolvedUser, resolveUser, type User, withUser } from "./spec-user.js";
