import type { Mount } from "./mount.js";

// What says how files are owned, which a mount of the lower directories alone would have to say in another way.
const ID_MAPPED = /^[ug]idmap=/;

/**
 * The mounts of what an active snapshot of an overlay lies upon, as a view of its parent would have them: the snapshot keeps it there,
 * and no view has to be made. `undefined` when it is no plain overlay.
 *
 * @see https://docs.kernel.org/filesystems/overlayfs.html#multiple-lower-layers
 */
export function overlayLower([mount, ...others]: readonly Mount[]): readonly Mount[] | undefined {
  if (mount?.type !== "overlay" || others.length > 0 || mount.target !== undefined) return undefined;
  const { options } = mount;
  const lower = valuesOf(options, "lowerdir");
  const [directories] = lower;
  const plain = lower.length === 1 && valuesOf(options, "upperdir").length === 1;
  if (directories === undefined || !plain || /\\|::/.test(directories) || options.some((one) => ID_MAPPED.test(one))) {
    return undefined;
  }
  // The kernel takes no overlay of a single read-only directory.
  if (!directories.includes(":")) return [{ type: "bind", source: directories, options: ["ro", "rbind"] }];
  const kept = options.filter((option) => !/^(upperdir|workdir)=|^volatile$/.test(option));
  return [{ ...mount, options: kept }];
}

/** What an option is set to, as often as it is. */
function valuesOf(options: readonly string[], name: string): string[] {
  return options.flatMap((option) => (option.startsWith(`${name}=`) ? [option.slice(name.length + 1)] : []));
}
