import type { SpecMount, SpecOption } from "./runtime-spec.js";

/** Adds mounts after those there are. */
export function withMounts(...mounts: readonly SpecMount[]): SpecOption {
  return (spec) => {
    spec.mounts = [...(spec.mounts ?? []), ...structuredClone(mounts)];
  };
}

/** Takes away every mount at one of these destinations. */
export function withoutMounts(...destinations: readonly string[]): SpecOption {
  return (spec) => {
    spec.mounts = (spec.mounts ?? []).filter((mount) => !destinations.includes(mount.destination));
  };
}

/** Makes the root filesystem read-only, or writable again. */
export function withReadonlyRootFS(readonly = true): SpecOption {
  return (spec) => {
    spec.root = { ...(spec.root ?? { path: "rootfs" }), readonly };
  };
}
