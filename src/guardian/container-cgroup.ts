/** The cgroup through which a process can be frozen, of all that the kernel says it is in; empty when it says nothing. */
export function frozenCgroup(cgroups: string): { readonly path: string; readonly version: 1 | 2 } {
  const members = cgroups.split("\n").map((line) => /^(\d+):([^:]*):(.*)$/.exec(line) ?? []);
  const v1 = members.find(([, , controllers = ""]) => controllers.split(",").includes("freezer"))?.[3];
  if (v1 !== undefined) return { path: v1, version: 1 };
  return { path: members.find(([, hierarchy]) => hierarchy === "0")?.[3] ?? "", version: 2 };
}

/**
 * The container's cgroup among those a process is in, innermost first: a path of the cgroup filesystem, or slice, prefix and name of one of
 * systemd's. All of its names must be there as they are: one like `user` is part of many.
 */
export function cgroupOf(path: string, cgroupsPath: string): string | undefined {
  const segments = path.split("/");
  for (let end = segments.length; end > 0; end--) {
    const above = segments.slice(0, end);
    if (endings(cgroupsPath).some((names) => names.length > 0 && isEnding(above, names))) return above.join("/");
  }
  return undefined;
}

function endings(cgroupsPath: string): readonly (readonly string[])[] {
  const plain = cgroupsPath.split("/").filter((name) => name !== "");
  const [, prefix, name, more] = cgroupsPath.split(":");
  if (prefix === undefined || name === undefined || name === "" || more !== undefined) return [plain];
  if (name.endsWith(".slice")) return [plain, [name]];
  return [plain, [`${prefix === "" ? "" : `${prefix}-`}${name}.scope`]];
}

function isEnding(segments: readonly string[], names: readonly string[]): boolean {
  const from = segments.length - names.length;
  return from >= 0 && names.every((name, at) => segments[from + at] === name);
}
