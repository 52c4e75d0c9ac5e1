import type { Spec } from "../../oci/runtime-spec.js";
import type { TarFile } from "../../tar/tar.js";
import { CRIU_CONFIG_ANNOTATION } from "../criu-config.js";

/**
 * Where in a root filesystem what a container needs of its old host lies, as part of its own writable layer. A container sees
 * nothing of it: something else is mounted over its /dev.
 */
export const OWN_PLACE = "dev/.containerd-client";

/** How a bundle names its root filesystem, which is how a runtime is told where something of it lies. */
const BUNDLE_ROOT = "rootfs";

/** criu's configuration file, for the annotation; runtimes start criu where the bundle lies. */
export const OWN_CRIU_CONFIG: string = `${BUNDLE_ROOT}/${OWN_PLACE}/criu.conf`;

/** The source of a bind mount that is a file of the container's own. */
export function ownSource(name: string): string {
  return `${BUNDLE_ROOT}/${OWN_PLACE}/${name}`;
}

/** Whether the source of a bind mount is such a file. */
export function isOwnSource(source: string | undefined): boolean {
  return source?.startsWith(`${BUNDLE_ROOT}/${OWN_PLACE}/`) === true;
}

/** The name such a file has there. */
export function ownName(source: string): string {
  return source.slice(ownSource("").length).split("/")[0] ?? "";
}

/** Whether a path of a root filesystem belongs to that place. */
export function isOwnPath(path: string): boolean {
  return path === OWN_PLACE || path.startsWith(`${OWN_PLACE}/`);
}

/** The directories above, so that no link of somebody else's can stand there. */
export const ownDirectories: readonly TarFile[] = [
  { name: "dev/", type: "directory", mode: 0o755 },
  { name: `${OWN_PLACE}/`, type: "directory", mode: 0o700 },
];

/** Whether a spec says what criu must be told by a file that the writable layer has. */
export function carriesCriuConfig({ annotations }: Spec): boolean {
  return annotations?.[CRIU_CONFIG_ANNOTATION] === OWN_CRIU_CONFIG;
}
