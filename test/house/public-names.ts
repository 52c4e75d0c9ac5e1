/** The public names of one entry: what is there when the program runs, and what only TypeScript sees. */
interface PublicNames {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

/** Every public name of every entry, sorted. A name that comes or goes is a change of the contract: say so in CHANGELOG.md. */
export const publicNames: Readonly<Record<string, PublicNames>> = {
  ".": {
    values: words(`
      AbortedError AlreadyExistsError CanceledError CheckpointInProgressError Client ContainerdError DataLossError DeadlineExceededError
      FailedPreconditionError InternalError InvalidArgumentError NotFoundError NotImplementedError OutOfRangeError
      PermissionDeniedError ResourceExhaustedError UnauthenticatedError UnavailableError UnknownError connect fileIO
      fromEnv isAlreadyExists isCheckpointInProgress isContainerdError isDataLoss isDeadlineExceeded isFailedPrecondition isInvalidArgument
      isNotFound isNotImplemented isUnavailable nullIO streamIO tcpTransport unixTransport withCheckpointAnnotations
      withCheckpointImage withCheckpointLabels withCheckpointPart withCheckpointRW withCheckpointRuntime
      withCheckpointTask withCheckpointTaskExit withCheckpointWay withRestoreCriuConfig withRestoreImage
      withRestoreLabels withRestoreRW withRestoreRuntime withRestoreSnapshotter withRestoreSpec withRestoreSpecEdit
    `),
    types: words(`
      CallOptions CheckpointCall CheckpointOption CheckpointResult CheckpointSource ConnectOptions Container
      ContainerRecord Containers CreateContainerOptions Diffs ErrorCode EventOf Events Image Images
      Introspection Mount Namespaces NewTaskOptions OperationFailure Process RestoreOption
      Snapshots Task TaskIO Transport
    `),
  },
  "./oci": {
    values: words(`
      ANNOTATION_BASE_IMAGE_DIGEST ANNOTATION_BASE_IMAGE_NAME ANNOTATION_CREATED ANNOTATION_REF_NAME
      MAX_DOCUMENT_SIZE MEDIA_TYPE_DOCKER_IMAGE_CONFIG MEDIA_TYPE_DOCKER_LAYER MEDIA_TYPE_DOCKER_LAYER_GZIP
      MEDIA_TYPE_DOCKER_LAYER_ZSTD MEDIA_TYPE_DOCKER_MANIFEST MEDIA_TYPE_DOCKER_MANIFEST_LIST MEDIA_TYPE_EMPTY_JSON
      MEDIA_TYPE_IMAGE_CONFIG MEDIA_TYPE_INDEX MEDIA_TYPE_LAYER MEDIA_TYPE_LAYER_GZIP MEDIA_TYPE_LAYER_ZSTD
      MEDIA_TYPE_MANIFEST algorithmOf cgroupsPathFor chainId chainIds defaultSpec digestOf digester encodeIndex
      encodeManifest encodeSpec formatPlatform formatReference hostPlatform isConfigType isDigest isIndexType
      isLayerType isManifestType isNonDistributableType layerCompression normalizePlatform normalizeReference
      orderedPlatformMatcher parseDescriptor parseDigest parseImageConfig parseIndex parseManifest parsePlatform parseReference parseSpec parseUser
      platformMatcher resolveUser verifyBytes verifyingDigester withAddedCapabilities withAnnotations withArgs
      withCapabilities withCgroupsPath withCpuQuota withCpuShares withCwd withDevices withDroppedCapabilities
      withEnv withHostNamespace withHostname withImageConfig withMemoryLimit withMounts withNamespacePath
      withNoNewPrivileges withPidsLimit withPrivileged withReadonlyRootFS withRlimit withTerminal withUser
      withoutMounts withoutSeccomp
    `),
    types: words(`
      DefaultSpecOptions Descriptor Digest DigestAlgorithm Digester DocumentOptions EnvChanges ExecutionConfig
      Expected History ImageConfig ImageConfigOptions Index Int64 JsonObject Labels LayerCompression Manifest
      NamespaceKind Platform PlatformMatcher Reference ResolvedUser RootFS Spec SpecCapabilities SpecCpu SpecDevice
      SpecDeviceRule SpecIdMapping SpecLinux SpecMemory SpecMount SpecNamespace SpecOption SpecPids SpecProcess
      SpecResources SpecRlimit SpecRoot SpecUser TerminalSize User VerifyingDigester
    `),
  },
  "./content": {
    values: words(`
      LayoutStore MemoryStore checkImage children copy exportArchive filter gcLabels imagePlatforms imageSize
      imageUsage importArchive nameImages readBlob readImageConfig readManifest readRootFS walk writeBlob
    `),
    types: words(`
      ArchiveImage ArchiveProgress BlobOptions CheckImageOptions CommitOptions CopyOptions CopyProgress CopyResult
      ExportArchiveOptions FilterOperator ImageManifest ImageNaming ImageOptions ImageSnapshot ImageUsage
      ImageUsageOptions ImportArchiveOptions Info IngestManager Ingester LayoutIndex LayoutOptions Manager Node
      PlatformCheck PlatformChoice Provider PutOptions Range ReadBlobOptions Selection SnapshotReader Status Store
      WalkOptions Writer WriterOptions
    `),
  },
  "./leases": {
    values: words(``),
    types: words(`
      Lease LeaseManager LeaseOptions LeaseResource
    `),
  },
  "./checkpoint": {
    values: words(`
      CRIU_CONFIG_ANNOTATION CheckpointAnnotation CheckpointMediaType checkpointIndex criuConfigText
      criuSettingsNeeded exportArchive importArchive inspectArchive inspectCheckpoint inspectParts listTarMembers parseCheckpoint planCheckpoint
      planRestore readArchive readArchiveEntries readCheckpoint readCheckpointParts withCheckpointAnnotations
      withCheckpointImage withCheckpointLabels withCheckpointPart withCheckpointRW withCheckpointRuntime
      withCheckpointTask withCheckpointTaskExit withCheckpointWay withRestoreCriuConfig withRestoreImage
      withRestoreLabels withRestoreRW withRestoreRuntime withRestoreSnapshotter withRestoreSpec withRestoreSpecEdit
    `),
    types: words(`
      ArchiveEngine ArchiveEntry ArchiveLimits ArchivePart ArchivePartBase ArchiveSource BindMount BindMountsPart Checkpoint
      CheckpointDescription CheckpointEngine CheckpointImage CheckpointInspection CheckpointInterface CheckpointMount
      CheckpointNetwork CheckpointOption CheckpointOrigin CheckpointPart CheckpointPartContext CheckpointParts
      CheckpointPartsOptions CheckpointPlan CheckpointPod CheckpointRetention CheckpointRuntime CheckpointSizes CheckpointWay ConfigPart CriuConfig
      CriuConfigDirectory CriuConfigFile CriuOptions CriuPart CriuSetting DeletedFilesPart DirectoryPart
      DumpStatistics DumpedFile DumpedMount DumpedProcess DumpedSocket ExportArchiveOptions ForeignSpecPolicy ImagePart ImportArchiveOptions
      ImportNote ImportedCheckpoint InspectArchiveOptions
      InspectCheckpointOptions InspectOptions LogPart NamedCheckpoint NetworkPart OtherPart ParentPart PodPart PrunedCheckpoint RWCompression
      ReadArchiveOptions RestoreOption RestorePlan RetentionPlan RootfsDiffPart ShmPart SocketAddress SpecEdit SpecPart StatsPart
      StatusPart TarMember VolumePart
    `),
  },
  "./crutils": {
    values: words(`
      applyRootfsDiff createFileWithLabel createRootfsDiff importCheckpointConfigOnly importCheckpointWithoutConfig
      readRuntimeFromArchive removeDeletedFiles runtimeSupportsCheckpointRestore runtimeSupportsPodCheckpointRestore
    `),
    types: words(`
      AppliedRootfsDiff ApplyRootfsDiffOptions CheckpointArchive CreatedRootfsDiff LabelledFile ListedChanges OverlayChanges
      RootfsChange RootfsDiffSource RuntimeSupport RuntimeSupportOptions TwoTrees Unkept
    `),
  },
  "./embedded": {
    values: words(`
      createEmbedded ociRuntime simulatedRuntime
    `),
    types: words(`
      Embedded EmbeddedOptions Program ProgramPause Programs Runtime SimulatedProcess
    `),
  },
  "./api": {
    values: words(`
      containerEvents containers content contentEvents descriptor diff event events imageEvents images introspection
      leases metrics mount namespaceEvents namespaces platform processes rpcStatus runcOptions runtime sandboxEvents
      snapshotEvents snapshots taskEvents tasks version
    `),
    types: words(``),
  },
};

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
