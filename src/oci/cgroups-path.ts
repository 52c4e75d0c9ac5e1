/**
 * The cgroup path a copy of a container should have: the same place, under the copy's own name.
 *
 * Both forms are known: a path, whose last part is the name, and systemd's `slice:prefix:name`.
 * An empty path stays empty; the runtime then takes the id.
 *
 * @example
 * ```ts
 * cgroupsPathFor("/default/counter", "copy"); // "/default/copy"
 * cgroupsPathFor("system.slice:nerdctl:counter", "copy"); // "system.slice:nerdctl:copy"
 * ```
 * @see https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#cgroups-path
 */
export function cgroupsPathFor(cgroupsPath: string, id: string): string {
  if (cgroupsPath === "") return "";
  const parts = cgroupsPath.split(":");
  if (parts.length === 3 && !cgroupsPath.includes("/")) return [...parts.slice(0, 2), id].join(":");
  const trimmed = cgroupsPath.replace(/(?<=.)\/+$/, "");
  return `${trimmed.slice(0, trimmed.lastIndexOf("/") + 1)}${id}`;
}
