/** Index of an image in OCI's form. */
export const MEDIA_TYPE_INDEX = "application/vnd.oci.image.index.v1+json";

/** Manifest of an image in OCI's form. */
export const MEDIA_TYPE_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Config of an image in OCI's form. */
export const MEDIA_TYPE_IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json";

/** Layer of an image: a tar archive. */
export const MEDIA_TYPE_LAYER = "application/vnd.oci.image.layer.v1.tar";

/** Layer of an image: a gzipped tar archive. */
export const MEDIA_TYPE_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";

/** Layer of an image: a tar archive compressed with zstd. */
export const MEDIA_TYPE_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";

/** Config that says nothing: the two bytes `{}`. */
export const MEDIA_TYPE_EMPTY_JSON = "application/vnd.oci.empty.v1+json";

/** Index of an image in Docker's form. */
export const MEDIA_TYPE_DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

/** Manifest of an image in Docker's form. */
export const MEDIA_TYPE_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

/** Config of an image in Docker's form. */
export const MEDIA_TYPE_DOCKER_IMAGE_CONFIG = "application/vnd.docker.container.image.v1+json";

/** Layer of an image in Docker's form: a tar archive. */
export const MEDIA_TYPE_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";

/** Layer of an image in Docker's form: a gzipped tar archive. */
export const MEDIA_TYPE_DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/** Layer of an image in Docker's form: a tar archive compressed with zstd. */
export const MEDIA_TYPE_DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd";

/** How a layer is packed. */
export type LayerCompression = "none" | "gzip" | "zstd";

const ociLayer =
  /^application\/vnd\.oci\.image\.layer\.(?<restricted>nondistributable\.)?v1\.tar(?:\+(?<packing>gzip|zstd))?$/;
const dockerLayer =
  /^application\/vnd\.docker\.image\.rootfs\.(?:(?<restricted>foreign\.)?diff)\.tar(?:\.(?<packing>gzip|zstd))?$/;

/** Whether content of this type is an index: a list of manifests. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE_INDEX || mediaType === MEDIA_TYPE_DOCKER_MANIFEST_LIST;
}

/** Whether content of this type is a manifest: a config and layers. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE_MANIFEST || mediaType === MEDIA_TYPE_DOCKER_MANIFEST;
}

/** Whether content of this type refers to other content: an index or a manifest. */
export function isDocumentType(mediaType: string): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType);
}

/**
 * Whether content of this type is a part of a container, such as an index lists them that is a checkpoint and no image.
 *
 * @see https://github.com/containerd/containerd/blob/v2.1.4/core/images/mediatypes.go
 */
export function isContainerPartType(mediaType: string): boolean {
  return mediaType.startsWith("application/vnd.containerd.container.");
}

/** Whether content of this type is the config of an image. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE_IMAGE_CONFIG || mediaType === MEDIA_TYPE_DOCKER_IMAGE_CONFIG;
}

/** Whether content of this type is a layer, whatever its packing. */
export function isLayerType(mediaType: string): boolean {
  return layerMatch(mediaType) !== undefined;
}

/** Whether content of this type is a layer that registries do not hand on, such as Windows base layers. */
export function isNonDistributableType(mediaType: string): boolean {
  return layerMatch(mediaType)?.restricted === true;
}

/** How a layer of this type is packed, or undefined when it is not the type of a layer. */
export function layerCompression(mediaType: string): LayerCompression | undefined {
  return layerMatch(mediaType)?.packing;
}

function layerMatch(mediaType: string): { packing: LayerCompression; restricted: boolean } | undefined {
  const groups = (ociLayer.exec(mediaType) ?? dockerLayer.exec(mediaType))?.groups;
  if (groups === undefined) return undefined;
  return {
    packing: (groups["packing"] as "gzip" | "zstd" | undefined) ?? "none",
    restricted: groups["restricted"] !== undefined,
  };
}
