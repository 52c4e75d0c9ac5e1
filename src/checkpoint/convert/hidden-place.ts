import { FailedPreconditionError } from "../../errors.js";
import type { DumpFacts } from "./dump-facts.js";
import { OWN_PLACE } from "./own-place.js";

/**
 * Makes sure that the restored processes cannot reach what criu is told: they could have it run programs on the host, at the next
 * checkpoint. The dump decides what is mounted where, whatever the spec says.
 *
 * @throws {FailedPreconditionError} when something of the dump shows that place
 */
export function requireHidden({ mounts }: DumpFacts): void {
  const root = mounts.find(({ path }) => path === "/");
  if (root === undefined || !mounts.some(({ path, filesystem }) => path === "/dev" && filesystem === "tmpfs")) {
    throw new FailedPreconditionError(
      "Cannot import the archive: its container had no /dev of its own, which is to hide what a restore needs",
    );
  }
  const place = `/${OWN_PLACE}`;
  for (const mount of mounts) {
    if (mount === root || mount.isExternal || mount.device !== root.device) continue;
    const shown = below(root.root, mount.root);
    if (shown === undefined) continue;
    const isAbove = shown === "" || place === shown || place.startsWith(`${shown}/`);
    if (!isAbove && shown !== `${place}/criu.conf`) continue;
    throw new FailedPreconditionError(
      `Cannot import the archive: its container had its own root filesystem mounted on ${mount.path}, which would show what a restore needs`,
    );
  }
}

/** Where one path of a filesystem lies below another: "" when it is that, or above; undefined when elsewhere. */
function below(root: string, path: string): string | undefined {
  const [base, at] = [root === "/" ? "" : root, path === "/" ? "" : path];
  if (base === at || base.startsWith(`${at}/`)) return "";
  return at.startsWith(`${base}/`) ? at.slice(base.length) : undefined;
}
