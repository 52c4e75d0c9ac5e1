import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../../lab/command.js";
import { preparedRelease } from "../../lab/releases.js";

/** Why containers cannot be run here with a runtime of our own; false when they can. */
export function whyNoOciRuntime(): string | false {
  if (process.getuid?.() !== 0) return "only root can run containers";
  if (preparedRelease("v21") === undefined) {
    return process.env["LAB_WHY_NOT"] ?? "no runc and criu are prepared: run npm test once";
  }
  return false;
}

/** The lab's newest runc, with its criu. */
export async function ociPrograms(directory: string): Promise<{ program: string; env: Record<string, string> }> {
  const release = preparedRelease("v21");
  if (release === undefined) throw new Error("There is no runc");
  const [bin, home] = [join(directory, "programs"), join(directory, "home")];
  const made = await mkdir(bin, { recursive: true });
  if (made !== undefined) {
    await mkdir(join(home, ".criu"), { recursive: true });
    for (const name of ["runc", "criu"] as const) await symlink(release[name], join(bin, name));
    // Else criu wants the iptables programs, which a small machine does not have.
    await writeFile(join(home, ".criu", "default.conf"), "network-lock nftables\n");
  }
  return { program: join(bin, "runc"), env: { PATH: `${bin}:${process.env["PATH"] ?? ""}`, HOME: home } };
}

/** Removes what a runtime leaves of the cgroups of a namespace, once they are empty. */
export async function removeCgroups(namespace: string): Promise<void> {
  await runCommand("find", ["/sys/fs/cgroup", "-maxdepth", "2", "-type", "d", "-name", namespace, "-delete"]);
}
