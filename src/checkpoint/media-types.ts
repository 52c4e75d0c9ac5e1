/**
 * What containerd calls the blobs of a checkpoint; the last is ours.
 *
 * @see https://github.com/containerd/containerd/blob/v2.1.4/core/images/mediatypes.go
 */
export const CheckpointMediaType = {
  /** criu's images as an uncompressed tar: the memory and kernel state of the task. */
  task: "application/vnd.containerd.container.criu.checkpoint.criu.tar",
  /** The container's runtime spec, as an encoded `google.protobuf.Any`. */
  spec: "application/vnd.containerd.container.checkpoint.config.v1+proto",
  /** The options criu was given, as an encoded `google.protobuf.Any`. */
  criuOptions: "application/vnd.containerd.container.checkpoint.options.v1+proto",
  /** The options of the container's runtime, as an encoded `google.protobuf.Any`. */
  runtimeOptions: "application/vnd.containerd.container.checkpoint.runtime.options+proto",
  /** Ours: what else was in the archive a checkpoint was made of, as an uncompressed tar. */
  documents: "application/vnd.containerd-client.checkpoint.documents.v1.tar",
} as const;
