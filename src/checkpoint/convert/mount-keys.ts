import { FailedPreconditionError } from "../../errors.js";
import type { Spec } from "../../oci/runtime-spec.js";
import { isBind } from "./carried-mounts.js";
import { type DumpFacts, hasOtherRootMode } from "./dump-facts.js";
import type { ImportNotes } from "./policy.js";

/** What criu must be told of mounts that the restoring runtime does not know of. */
export interface MountKeys {
  /** Keys for which `/dev/null` stands. */
  readonly nullFiles: readonly string[];
  /** Keys for which an empty directory stands. */
  readonly emptyDirectories: readonly string[];
  /** Whether criu must not compare the root directory's mode. */
  readonly hasOtherRootMode: boolean;
}

// Both become lines and names for others to read.
const plain = /^\/[\w./+-]+$/;
const emptyDirectory = /\/\.empty-directory$/;

/**
 * Tells the keys a runtime maps by itself from those it does not. runc calls a masked file `/dev/null` and makes masked directories of
 * its own; crun calls a masked file by its path, and all masked directories by the one empty directory it has.
 *
 * @throws {FailedPreconditionError} when it is not known what stands for a key
 */
export function keysToMap(spec: Spec, dump: DumpFacts, notes: ImportNotes): MountKeys {
  const masked = new Set(spec.linux?.maskedPaths ?? []);
  const destinations = new Set((spec.mounts ?? []).filter(isBind).map(({ destination }) => destination));
  const cgroups = (spec.mounts ?? []).filter(({ type }) => type === "cgroup").map(({ destination }) => destination);
  const nullFiles: string[] = [];
  const emptyDirectories: string[] = [];
  for (const key of dump.mountKeys) {
    if (key === "/dev/null" || destinations.has(key)) continue;
    if (cgroups.some((at) => key === at || key.startsWith(`${at}/`))) continue;
    if (!plain.test(key) || key.includes("/..")) throw unknown(key);
    if (masked.has(key)) nullFiles.push(key);
    else if (emptyDirectory.test(key)) emptyDirectories.push(key);
    else throw unknown(key);
  }
  const keys = [...nullFiles, ...emptyDirectories];
  if (keys.length > 0)
    notes.mend("masked path", keys.join(", "), "criu is told what stands for it; the runtime is another one");
  return { nullFiles, emptyDirectories, hasOtherRootMode: hasOtherRootMode(dump) };
}

function unknown(key: string): FailedPreconditionError {
  return new FailedPreconditionError(
    `Cannot import the archive: the dump has a mount from outside, ${JSON.stringify(key.slice(0, 160))}, which its spec does not know`,
  );
}
