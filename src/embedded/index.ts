/**
 * A containerd in this process, for scripts and tests where no daemon can be had: in memory or on a directory, on any operating
 * system, without root.
 *
 * @packageDocumentation
 */

export { createEmbedded, type Embedded, type EmbeddedOptions } from "./embedded.js";
export { ociRuntime } from "./runtime/oci/oci-runtime.js";
export type { Runtime } from "./runtime/runtime.js";
export type { Program, ProgramPause, Programs, SimulatedProcess } from "./runtime/simulated/program.js";
export { simulatedRuntime } from "./runtime/simulated/simulated.js";
