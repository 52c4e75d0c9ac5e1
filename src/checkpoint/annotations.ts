/**
 * The annotations of a checkpoint index. The first three are containerd's own, which `ctr` needs to restore; the
 * others are ours, beside them and never instead of them.
 *
 * @see https://github.com/containerd/containerd/blob/v2.1.4/client/container.go
 */
export const CheckpointAnnotation = {
  /** The name of the base image. */
  imageName: "org.opencontainers.image.ref.name",
  /** The runtime's name, such as `io.containerd.runc.v2`. */
  runtime: "io.containerd.checkpoint.runtime",
  /** The snapshotter that holds the root filesystem. */
  snapshotter: "io.containerd.checkpoint.snapshotter",
  /** The base image's name as containerd's own `Task.Checkpoint` writes it. Read, never written. */
  taskImageName: "image.name",
  /** The id of the container that was checkpointed. */
  containerId: "containerd-client.checkpoint.container.id",
  /** When the task was frozen, or the layer captured, in RFC 3339. */
  createdAt: "containerd-client.checkpoint.created-at",
  /** The digest of the base image's target. */
  imageDigest: "containerd-client.checkpoint.image.digest",
  /** The chain id of the snapshot that lies under the rw layer. */
  chainId: "containerd-client.checkpoint.image.chain-id",
  /** The committed snapshot that lies under the rw layer, where that is none of an image's; empty when nothing does. */
  parentSnapshot: "containerd-client.checkpoint.snapshot.parent",
  /** The digest of the base image's config. */
  imageConfigDigest: "containerd-client.checkpoint.image.config-digest",
  /** The engine whose archive the checkpoint was made of. */
  engine: "containerd-client.checkpoint.engine",
  /** The namespaces of others that a dump has nothing of and a restore must name: `network`, `pid`. */
  externalNamespaces: "containerd-client.checkpoint.external-namespaces",
} as const;
