import type { NamespaceKind } from "../../oci/runtime-spec.js";

/**
 * What a spec from elsewhere may bring, beyond what every container has. Nothing of it by default: what is left out is reported,
 * and what cannot be left out is refused.
 */
export interface ForeignSpecPolicy {
  /**
   * Bind mounts, by where they are in the container: a path on the daemon's host, or `true` for the one the spec names. Those of an
   * engine's own, such as `/etc/hosts`, and volumes in the archive need nothing: they become files of the container.
   */
  readonly mounts?: Readonly<Record<string, string | true>> | undefined;
  /** Device nodes and the rules of its cgroup for them. */
  readonly devices?: boolean | undefined;
  /** Capabilities beyond those that engines give by themselves, such as `CAP_NET_ADMIN`. */
  readonly capabilities?: readonly string[] | undefined;
  /** Programs the runtime runs on the host. */
  readonly hooks?: boolean | undefined;
  /** Annotations, by their names, or all of them. */
  readonly annotations?: readonly string[] | boolean | undefined;
  /** Seccomp with all it says, a listener's socket on the host included; without it the filter alone. */
  readonly seccomp?: boolean | undefined;
  /**
   * What engines hide in `/proc` and `/sys`, by its paths, or all of it; `/sys` for one that can be written to. When absent a CRI's
   * container of which nothing was hidden comes along, and that is told: `false` refuses it, too.
   */
  readonly unmasked?: readonly string[] | boolean | undefined;
  /** Kinds of namespaces it may do without, and so be in the host's. */
  readonly hostNamespaces?: readonly NamespaceKind[] | undefined;
}

/** One thing that was left out, or mended, on the way. */
export interface ImportNote {
  /** Which kind of thing: `mount`, `device`, `capability`, `hook`, `annotation`, `seccomp`, `namespace`, … */
  readonly what: string;
  /** Which one. */
  readonly name: string;
  /** What became of it, and why. */
  readonly detail: string;
}

/** Takes notes. */
export class ImportNotes {
  /** What did not come along. */
  readonly leftOut: ImportNote[] = [];
  /** What was changed so that it works. */
  readonly mended: ImportNote[] = [];
  /** What does not confine it, though it does others. */
  readonly exposed: ImportNote[] = [];

  /** Notes that something did not come along. */
  leave(what: string, name: string, detail: string): void {
    this.leftOut.push({ what, name, detail });
  }

  /** Notes that something was changed. */
  mend(what: string, name: string, detail: string): void {
    this.mended.push({ what, name, detail });
  }
  /** Notes that something usual does not confine it. */
  expose(what: string, name: string, detail: string): void {
    this.exposed.push({ what, name, detail });
  }
}
