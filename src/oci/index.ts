export {
  ANNOTATION_BASE_IMAGE_DIGEST,
  ANNOTATION_BASE_IMAGE_NAME,
  ANNOTATION_CREATED,
  ANNOTATION_REF_NAME,
} from "./annotations.js";
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
  chainId,
  chainIds,
  type ExecutionConfig,
  type History,
  type ImageConfig,
  parseImageConfig,
  type RootFS,
} from "./image-config.js";
export { MAX_DOCUMENT_SIZE } from "./json.js";
export { encodeIndex, encodeManifest, type Index, type Manifest, parseIndex, parseManifest } from "./manifest.js";
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
export { formatPlatform, normalizePlatform, type Platform, parsePlatform } from "./platform.js";
export { type Expected, type VerifyingDigester, verifyBytes, verifyingDigester } from "./verify.js";
