import { runCommand } from "./command.js";
import { isUnpacked, type Progress, programIn, type Suite, unpack } from "./debian.js";

/** The lines of containerd the lab has, oldest first. */
export const releaseNames = ["v16", "v17", "v21"] as const;

/** A line of containerd: 1.6, 1.7 or 2.1 and what follows it in Debian's unstable suite. */
export type ReleaseName = (typeof releaseNames)[number];

/** The programs of a line. */
export interface Release {
  readonly name: ReleaseName;
  readonly containerd: string;
  readonly shim: string;
  readonly ctr: string;
  readonly runc: string;
  readonly criu: string;
}

/** The suite that has the newest of everything. */
export const newest: Suite = { name: "sid", packages: ["containerd", "runc", "patchelf", "criu", "busybox-static"] };

const suites: Readonly<Record<ReleaseName, Suite>> = {
  v16: { name: "bookworm", packages: ["containerd", "runc", "patchelf"] },
  v17: { name: "trixie", packages: ["containerd", "runc", "patchelf"] },
  v21: newest,
};

/** Downloads what the lines need, all at once, and proves that criu works here. */
export async function prepareReleases(names: readonly ReleaseName[], progress?: Progress): Promise<Release[]> {
  // Only the newest criu knows the newest kernels, so all lines have that one.
  const needed = new Set([newest, ...names.map((name) => suites[name])]);
  const unpacked = await Promise.allSettled([...needed].map((suite) => unpack(suite, progress)));
  const reasons = unpacked.flatMap((one) =>
    one.status === "rejected" ? [one.reason instanceof Error ? one.reason.message : String(one.reason)] : [],
  );
  const why = reasons.length > 0 ? reasons.join("; ") : await whyNoCriu();
  if (why !== undefined) throw new Error(why);
  return names.map(releaseOf);
}

/** The programs of a line that needs no download; undefined when it does. */
export function preparedRelease(name: ReleaseName): Release | undefined {
  return isUnpacked(suites[name]) && isUnpacked(newest) ? releaseOf(name) : undefined;
}

/** Says why the lab's criu cannot work on this machine; undefined when it can. */
export async function whyNoCriu(): Promise<string | undefined> {
  // What criu keeps in /run is not for this machine to keep.
  const script = 'mount -t tmpfs tmpfs /run && exec "$0" check';
  const args = ["--mount", "sh", "-c", script, programIn(newest, "criu")];
  const { code, stdout, stderr } = await runCommand("unshare", args, { allowFailure: true });
  return code === 0 ? undefined : `criu cannot work on this machine: ${(stderr + stdout).trim()}`;
}

function releaseOf(name: ReleaseName): Release {
  const suite = suites[name];
  return {
    name,
    containerd: programIn(suite, "containerd"),
    shim: programIn(suite, "containerd-shim-runc-v2"),
    ctr: programIn(suite, "ctr"),
    runc: programIn(suite, "runc"),
    criu: programIn(newest, "criu"),
  };
}
