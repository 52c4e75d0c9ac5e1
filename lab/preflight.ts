import { existsSync } from "node:fs";
import { runCommand } from "./command.js";
import { debianKeyring, debianMirror } from "./debian.js";
import { preparedRelease, releaseNames } from "./releases.js";

const PROGRAMS = ["apt-get", "dpkg-deb", "flock", "mount", "nsenter", "setsid", "tar", "unshare"];

/** Debian's containerd of all lines wants this one. */
const OLDEST_GLIBC = "2.34";

/** Says in one line why this machine cannot run private daemons and what to do; undefined when nothing is known to be in the way. */
export async function whyNoLab(): Promise<string | undefined> {
  if (process.platform !== "linux")
    return `containerd needs Linux, this is ${process.platform}: use a Linux machine or VM.`;
  if (process.getuid?.() !== 0)
    return "only root can run containerd and criu: run this as root, for example with sudo.";
  if (process.arch !== "x64" && process.arch !== "arm64")
    return `the lab knows x64 and arm64, this is ${process.arch}.`;
  const missing = await missingPrograms();
  if (missing.length > 0) return `the lab needs ${missing.join(", ")}: install them, or use a Debian machine.`;
  const glibc = glibcVersion();
  if (glibc.localeCompare(OLDEST_GLIBC, "en", { numeric: true }) < 0)
    return `Debian's containerd needs glibc ${OLDEST_GLIBC}, this is ${glibc || "another C library"}: use Debian 12 or later.`;
  return (await whyNoBox()) ?? (await whyNoDownload());
}

async function missingPrograms(): Promise<string[]> {
  const script = 'for p; do command -v "$p" > /dev/null || echo "$p"; done';
  const { stdout } = await runCommand("sh", ["-c", script, "sh", ...PROGRAMS]);
  return stdout.split("\n").filter((name) => name !== "");
}

function glibcVersion(): string {
  const { header } = process.report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ?? "";
}

async function whyNoBox(): Promise<string | undefined> {
  const unified = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((path) => existsSync(`${path}/cgroup.controllers`));
  if (unified === undefined)
    return "there is no cgroup v2 hierarchy below /sys/fs/cgroup: mount one (cgroup v1 alone will not do).";
  const probe = `${unified}/containerd-lab-probe-${process.pid}`;
  const script = 'mkdir "$0" && { test -e "$0/cgroup.kill"; s=$?; rmdir "$0"; exit $s; }';
  const cgroup = await runCommand("sh", ["-c", script, probe], { allowFailure: true });
  if (cgroup.stderr !== "") return `cgroups cannot be made in ${unified}: in a container, run it privileged.`;
  if (cgroup.code !== 0) return "the kernel has no cgroup.kill: use Linux 5.14 or later.";
  const mounts = ["--mount", "--cgroup", "sh", "-c", "mount -t tmpfs tmpfs /run"];
  const { code, stderr } = await runCommand("unshare", mounts, { allowFailure: true });
  return code === 0 ? undefined : `mounts cannot be made (${stderr.trim()}): in a container, run it privileged.`;
}

async function whyNoDownload(): Promise<string | undefined> {
  if (releaseNames.every((name) => preparedRelease(name) !== undefined)) return undefined;
  if ((await debianMirror()) === undefined)
    return "apt's sources name no Debian mirror: set LAB_MIRROR to the URL of one.";
  if (debianKeyring() === undefined) return "the keys of Debian's archive are missing: install debian-archive-keyring.";
  return undefined;
}
