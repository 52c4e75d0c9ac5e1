import type { CheckpointOptions, Options } from "../../../api/types/runc/options/oci_pb.js";

/**
 * What a runtime is told to save a container; the same as by containerd's shim.
 *
 * @see https://github.com/opencontainers/runc/blob/v1.3.0/man/runc-checkpoint.8.md
 */
export function checkpointArgs(id: string, images: string, work: string, options: CheckpointOptions): string[] {
  const flags: readonly (readonly [boolean, string])[] = [
    [options.openTcp, "--tcp-established"],
    [options.externalUnixSockets, "--ext-unix-sk"],
    [options.terminal, "--shell-job"],
    [options.fileLocks, "--file-locks"],
    [!options.exit, "--leave-running"],
  ];
  return [
    "checkpoint",
    "--image-path",
    images,
    "--work-path",
    work,
    ...flags.filter(([wanted]) => wanted).map(([, flag]) => flag),
    ...options.emptyNamespaces.flatMap((namespace) => ["--empty-ns", namespace]),
    id,
  ];
}

/** What a runtime is told to thaw a container and to stay with it. */
export function restoreArgs(
  id: string,
  bundle: string,
  images: string,
  work: string,
  pidFile: string,
  options: Options,
): string[] {
  const pivot = options.noPivotRoot ? ["--no-pivot"] : [];
  return [
    "restore",
    "--bundle",
    bundle,
    "--image-path",
    images,
    "--work-path",
    work,
    "--pid-file",
    pidFile,
    ...pivot,
    id,
  ];
}
