export {
  ANNOTATION_BASE_IMAGE_DIGEST,
  ANNOTATION_BASE_IMAGE_NAME,
  ANNOTATION_CREATED,
  ANNOTATION_REF_NAME,
} from "./annotations.js";
export { cgroupsPathFor } from "./cgroups-path.js";
export { chainId, chainIds } from "./chain-id.js";
export { type DefaultSpecOptions, defaultSpec } from "./default-spec.js";
export { type Descriptor, type Labels, parseDescriptor } from "./descriptor.js";
export {
  algorithmOf,
  type Digest,
  type DigestAlgorithm,
  type Digester,
  digester,
  digestOf,
  isDigest,
  parseDigest,
} from "./digest.js";
export type { DocumentOptions } from "./document.js";
export {
  type ExecutionConfig,
  type History,
  type ImageConfig,
  parseImageConfig,
  type RootFS,
} from "./image-config.js";
export { encodeIndex, type Index, parseIndex } from "./image-index.js";
export type { JsonObject } from "./json.js";
export { MAX_DOCUMENT_SIZE } from "./json.js";
export { encodeManifest, type Manifest, parseManifest } from "./manifest.js";
export {
  isConfigType,
  isIndexType,
  isLayerType,
  isManifestType,
  isNonDistributableType,
  type LayerCompression,
  layerCompression,
  MEDIA_TYPE_DOCKER_IMAGE_CONFIG,
  MEDIA_TYPE_DOCKER_LAYER,
  MEDIA_TYPE_DOCKER_LAYER_GZIP,
  MEDIA_TYPE_DOCKER_LAYER_ZSTD,
  MEDIA_TYPE_DOCKER_MANIFEST,
  MEDIA_TYPE_DOCKER_MANIFEST_LIST,
  MEDIA_TYPE_EMPTY_JSON,
  MEDIA_TYPE_IMAGE_CONFIG,
  MEDIA_TYPE_INDEX,
  MEDIA_TYPE_LAYER,
  MEDIA_TYPE_LAYER_GZIP,
  MEDIA_TYPE_LAYER_ZSTD,
  MEDIA_TYPE_MANIFEST,
} from "./media-types.js";
export { formatPlatform, hostPlatform, normalizePlatform, type Platform, parsePlatform } from "./platform.js";
export { orderedPlatformMatcher, type PlatformMatcher, platformMatcher } from "./platform-match.js";
export { formatReference, normalizeReference, parseReference, type Reference } from "./reference.js";
export {
  encodeSpec,
  type Int64,
  type NamespaceKind,
  parseSpec,
  type Spec,
  type SpecCapabilities,
  type SpecCpu,
  type SpecDevice,
  type SpecDeviceRule,
  type SpecIdMapping,
  type SpecLinux,
  type SpecMemory,
  type SpecMount,
  type SpecNamespace,
  type SpecOption,
  type SpecPids,
  type SpecProcess,
  type SpecResources,
  type SpecRlimit,
  type SpecRoot,
  type SpecUser,
  type TerminalSize,
} from "./runtime-spec.js";
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
export { type Expected, type VerifyingDigester, verifyBytes, verifyingDigester } from "./verify.js";
