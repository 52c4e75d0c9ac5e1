/**
 * A containerd in this process, for scripts and tests where no daemon can be had: in memory or on a directory, on any operating
 * system, without root.
 *
 * @packageDocumentation
 */

export { createEmbedded, type Embedded, type EmbeddedOptions } from "./embedded.js";
