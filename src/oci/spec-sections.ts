import type { Spec, SpecLinux, SpecProcess, SpecResources } from "./runtime-spec.js";

/** The process of a spec, made when there is none. */
export function processOf(spec: Spec): SpecProcess {
  spec.process ??= { user: { uid: 0, gid: 0 }, cwd: "/" };
  return spec.process;
}

/** The Linux section of a spec, made when there is none. */
export function linuxOf(spec: Spec): SpecLinux {
  spec.linux ??= {};
  return spec.linux;
}

/** The resources of a spec, made when there are none. */
export function resourcesOf(spec: Spec): SpecResources {
  const linux = linuxOf(spec);
  linux.resources ??= {};
  return linux.resources;
}
