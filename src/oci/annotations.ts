/** Name an image has in an index: a tag in an image layout, the base image's full name in a checkpoint. */
export const ANNOTATION_REF_NAME = "org.opencontainers.image.ref.name";

/** Full name an image has for containerd and BuildKit, in the index of a layout or archive. */
export const ANNOTATION_IMAGE_NAME = "io.containerd.image.name";

/** When the content was made, as RFC 3339. */
export const ANNOTATION_CREATED = "org.opencontainers.image.created";

/** Digest of the image this one was made from. */
export const ANNOTATION_BASE_IMAGE_DIGEST = "org.opencontainers.image.base.digest";

/** Name of the image this one was made from. */
export const ANNOTATION_BASE_IMAGE_NAME = "org.opencontainers.image.base.name";
