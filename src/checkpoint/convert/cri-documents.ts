import { writeGoJson } from "../../oci/go-json.js";
import type { Spec, SpecMount } from "../../oci/runtime-spec.js";
import { CRIU_CONFIG_ANNOTATION } from "../criu-config.js";
import { isBind } from "./carried-mounts.js";
import type { ExportedCheckpoint } from "./exported.js";
import type { MountsElsewhere } from "./exported-mounts.js";
import type { ExportedName } from "./podman-documents.js";

const NEVER = "0001-01-01T00:00:00Z";
/** CRI-O makes these itself and notes them nowhere. */
const criosOwn = /^\/(?:dev|dev\/shm|proc|run|run\/\.containerenv|run\/secrets|sys)$/;

/** What CRI-O wants to know of a container that is to be restored. */
export function crioDocuments(
  exported: ExportedCheckpoint,
  { mounts, isFile }: MountsElsewhere,
  named: ExportedName,
): ReadonlyMap<string, string> {
  const { checkpoint, base } = exported;
  const createdAt = (checkpoint.createdAt ?? new Date(0)).toISOString();
  const id = (base?.config.digest ?? checkpoint.image.configDigest ?? "").replace(/^sha256:/, "");
  const spec = withAnnotations(
    { ...exported.spec, mounts },
    {
      "io.container.manager": "cri-o",
      "io.kubernetes.cri-o.Annotations": "{}",
      "io.kubernetes.cri-o.Labels": writeGoJson({ "io.kubernetes.container.name": named.name }),
      "io.kubernetes.cri-o.Metadata": writeGoJson({ name: named.name }),
      "io.kubernetes.cri-o.ContainerType": "container",
      "io.kubernetes.cri-o.ContainerID": named.id,
      "io.kubernetes.cri-o.Created": createdAt,
      "io.kubernetes.cri-o.ImageName": checkpoint.image.name ?? "",
      "io.kubernetes.cri-o.ImageRef": id,
      "io.kubernetes.cri-o.TTY": String(exported.spec.process?.terminal ?? false),
    },
  );
  // What has no source on a host cannot be made there.
  const binds = mounts.filter((mount) => isBind(mount) && mount.source && !criosOwn.test(mount.destination));
  const bindMount = ({ source, destination }: SpecMount) => {
    const file = isFile(destination);
    return { source, destination, file_type: file ? "file" : "directory", permissions: file ? 0o644 : 0o755 };
  };
  const config = { ...reducedConfig(exported, named, "runc"), rootfsImageRef: id };
  return new Map([
    ["config.dump", writeGoJson(config)],
    ["spec.dump", writeGoJson(spec)],
    ...(binds.length === 0 ? [] : [["bind.mounts", writeGoJson(binds.map(bindMount))] as const]),
  ]);
}

/** What containerd's CRI wants to know of one. */
export function criDocuments(
  exported: ExportedCheckpoint,
  { mounts }: MountsElsewhere,
  named: ExportedName,
): ReadonlyMap<string, string> {
  const { checkpoint } = exported;
  const at = BigInt((checkpoint.createdAt ?? new Date(0)).getTime()) * 1_000_000n;
  const image = checkpoint.image.name ?? "";
  const ref = checkpoint.image.digest === undefined ? image : `${withoutTag(image)}@${checkpoint.image.digest}`;
  const spec = withAnnotations(
    { ...exported.spec, mounts },
    {
      "io.kubernetes.cri.container-type": "container",
      "io.kubernetes.cri.container-name": named.name,
      "io.kubernetes.cri.image-name": image,
    },
  );
  const status = {
    id: named.id,
    metadata: { name: named.name },
    state: 1,
    created_at: at,
    started_at: at,
    image: { image },
    image_ref: ref,
    labels: { "io.kubernetes.container.name": named.name },
    annotations: {},
    log_path: "",
    resources: { linux: {} },
    user: { linux: { supplemental_groups: [exported.spec.process?.user.gid ?? 0] } },
  };
  const record = {
    Version: "v1",
    Pid: 0,
    CreatedAt: at,
    StartedAt: at,
    FinishedAt: 0,
    ExitCode: 0,
    Reason: "",
    Message: "",
    Resources: { linux: {} },
    Restore: false,
  };
  return new Map([
    ["config.dump", writeGoJson({ ...reducedConfig(exported, named, "io.containerd.runc.v2"), rootfsImageRef: ref })],
    ["spec.dump", writeGoJson(spec)],
    ["status.dump", writeGoJson(status)],
    ["status", writeGoJson(record)],
  ]);
}

function reducedConfig({ checkpoint }: ExportedCheckpoint, { id, name }: ExportedName, runtime: string) {
  const at = (checkpoint.createdAt ?? new Date(0)).toISOString();
  const image = checkpoint.image.name ?? "";
  return {
    id,
    name,
    rootfsImage: image,
    rootfsImageRef: "",
    rootfsImageName: image,
    runtime,
    createdTime: at,
    checkpointedTime: at,
    restoredTime: NEVER,
    restored: false,
  };
}

function withAnnotations(spec: Spec, engines: Readonly<Record<string, string>>): Spec {
  const { [CRIU_CONFIG_ANNOTATION]: _, ...annotations } = spec.annotations ?? {};
  return { ...spec, annotations: { ...annotations, ...engines } };
}

function withoutTag(image: string): string {
  return image.replace(/:[\w.-]+$/, "");
}
