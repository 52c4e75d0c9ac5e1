import { type ReadArchiveOptions, readArchive } from "../checkpoint/archive/read.js";
import { during } from "../content/layout/file-errors.js";
import { NotFoundError } from "../errors.js";
import { type CheckpointArchive, sourceOf } from "./import-checkpoint.js";

/**
 * The runtime a checkpoint archive was made with, as its `config.dump` names it; undefined when that names none. Nothing is written
 * anywhere, and no more is read than up to there.
 *
 * @param archive packed with gzip or zstd, or not at all; or the OCI archive of an image made of one.
 * @throws {NotFoundError} when there is no such archive, or it has no `config.dump`
 * @throws {InvalidArgumentError} when a member must not be there, comes twice, or is not what its name says
 * @throws {DataLossError} when it is no archive, damaged, cut off, or two readers would see two archives in it
 * @throws {ResourceExhaustedError} when a limit is passed
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRGetRuntimeFromArchive
 */
export function readRuntimeFromArchive(
  archive: CheckpointArchive,
  options: ReadArchiveOptions = {},
): Promise<string | undefined> {
  return during("read the runtime of an archive", async () => {
    for await (const part of readArchive(sourceOf(archive), options)) {
      if (part.kind !== "config") continue;
      const { runtime } = part.document;
      return typeof runtime === "string" && runtime !== "" ? runtime : undefined;
    }
    throw new NotFoundError("Cannot read the runtime of an archive: it has no config.dump");
  });
}
