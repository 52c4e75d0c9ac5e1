import { FailedPreconditionError } from "../../errors.js";
import { writeGoJson } from "../../oci/go-json.js";
import type { Spec } from "../../oci/runtime-spec.js";
import { CRIU_CONFIG_ANNOTATION } from "../criu-config.js";
import { checkpointName } from "../document.js";
import { isBind } from "./carried-mounts.js";
import type { ExportedCheckpoint } from "./exported.js";
import { isOwnSource } from "./own-place.js";

/** What a container of an engine is called there. */
export interface ExportedName {
  /** 64 hex digits. */
  readonly id: string;
  /** What people call it. */
  readonly name: string;
}

/** criu's configuration lies in the bundle, which is where the archive is unpacked and where runtimes start criu. */
const CRIU_CONFIG = "criu.conf";
/** Podman makes it in the bundle, and leaves it empty. */
const EMPTY_DIRECTORY = "artifacts";
/** Podman makes these itself. */
const podmansOwn = /^\/(?:dev\/shm|etc\/(?:resolv\.conf|hostname|hosts)|(?:var\/)?run\/(?:\.containerenv|secrets))$/;

/**
 * What Podman wants to know of a container it did not make.
 *
 * @throws {FailedPreconditionError} when it would need something Podman cannot give it
 */
export function podmanDocuments(
  exported: ExportedCheckpoint,
  { id, name }: ExportedName,
  runtime: "runc" | "crun",
): ReadonlyMap<string, string> {
  const { checkpoint, base } = exported;
  const imageId = (base?.config.digest ?? checkpoint.image.configDigest)?.split(":")[1];
  if (imageId === undefined || checkpoint.image.name === undefined) {
    throw new FailedPreconditionError(
      `Cannot export ${checkpointName(checkpoint)} for Podman: it must be told the base image's ${imageId === undefined ? "id" : "name"}`,
      { hint: "Give the base image's manifest, which must be in the provider: options.baseImage." },
    );
  }
  const lines = criuLines(exported, runtime);
  const spec = podmanSpec(exported, runtime, lines.length > 0);
  const { uid = 0, gid = 0 } = spec.process?.user ?? {};
  const config = {
    id,
    name,
    spec,
    rootfsImageID: imageId,
    rootfsImageName: checkpoint.image.name,
    RawImageName: checkpoint.image.name,
    createNetNS: false,
    // Else Podman mounts account files that the dump knows nothing of.
    passwd: false,
    ...(uid === 0 && gid === 0 ? {} : { user: `${uid}:${gid}` }),
    command: spec.process?.args ?? [],
    stopSignal: 15,
    stopTimeout: 10,
    createdTime: (checkpoint.createdAt ?? new Date(0)).toISOString(),
    logDriver: "k8s-file",
    runtime,
    umask: "0022",
  };
  return new Map([
    ["config.dump", writeGoJson(config)],
    ["spec.dump", writeGoJson(spec)],
    ["network.status", "null"],
    ...(lines.length === 0 ? [] : [[CRIU_CONFIG, `${lines.join("\n")}\n`] as const]),
  ]);
}

function podmanSpec({ checkpoint, spec, dump }: ExportedCheckpoint, runtime: string, hasConfig: boolean): Spec {
  const namespaces = spec.linux?.namespaces ?? [];
  const joined = namespaces.find(({ type, path = "" }) => path !== "" && (type === "network" || type === "pid"));
  if (joined !== undefined) {
    throw new FailedPreconditionError(
      `Cannot export ${checkpointName(checkpoint)} for Podman: its ${joined.type} namespace, ${joined.path}, was made by somebody else`,
    );
  }
  const mounts = (spec.mounts ?? []).filter(({ destination }) => !podmansOwn.test(destination));
  const own = mounts.find(
    ({ source, destination }) => isOwnSource(source) && !destination.endsWith("/.empty-directory"),
  );
  if (own !== undefined) {
    throw new FailedPreconditionError(
      `Cannot export ${checkpointName(checkpoint)} for Podman: what is mounted on ${own.destination} is no volume of Podman's`,
    );
  }
  const { [CRIU_CONFIG_ANNOTATION]: _, ...annotations } = spec.annotations ?? {};
  const empty = runtime === "crun" ? [] : [...dump.mountKeys].filter((key) => key.endsWith("/.empty-directory"));
  return {
    ...spec,
    root: { ...spec.root, path: "rootfs" },
    mounts: [
      ...mounts.filter(({ source }) => !isOwnSource(source)),
      ...empty.map((destination) => ({ destination, type: "bind", source: EMPTY_DIRECTORY, options: ["bind", "ro"] })),
    ],
    annotations: {
      ...annotations,
      "io.container.manager": "libpod",
      ...(hasConfig ? { [CRIU_CONFIG_ANNOTATION]: CRIU_CONFIG } : {}),
    },
  };
}

/** What criu must be told where Podman's root directory and the other runtime differ from what was dumped. */
function criuLines({ dump, spec }: ExportedCheckpoint, runtime: "runc" | "crun"): readonly string[] {
  const binds = new Set((spec.mounts ?? []).filter(isBind).map(({ destination }) => destination));
  const masked = new Set(spec.linux?.maskedPaths ?? []);
  const keys = [...dump.mountKeys].filter((key) => !binds.has(key) && /^\/[\w./+-]+$/.test(key));
  const nullFiles = keys.filter((key) => (runtime === "crun" ? key === "/dev/null" : masked.has(key)));
  return [
    ...nullFiles.map((key) => `external mnt[${key}]:/dev/null`),
    ...(dump.rootModes.size === 0 ? [] : ["skip-file-rwx-check"]),
    ...(dump.hasTcp ? ["tcp-established"] : []),
    ...(dump.hasFileLocks ? ["file-locks"] : []),
  ];
}
