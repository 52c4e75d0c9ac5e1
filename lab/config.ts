/** Additions to a daemon's configuration. */
export interface ConfigOptions {
  /** Lines for the `[grpc]` table, such as `gid = 1000`. */
  readonly grpcToml?: string;
  /** Tables of their own. */
  readonly extraToml?: string;
  /** Whether garbage is collected as eagerly as can be, so that a forgotten lease shows at once. Default: true. */
  readonly collectsEagerly?: boolean;
}

const DISABLED = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.nri.v1.nri",
];

const EAGER = `[plugins."io.containerd.gc.v1.scheduler"]
pause_threshold = 0.5
deletion_threshold = 1
mutation_threshold = 1
schedule_delay = "0s"
startup_delay = "10ms"
`;

/** containerd's config.toml for a daemon that has all its files in `directory`. All lines of containerd take version 2. */
export function daemonConfig(directory: string, options: ConfigOptions = {}): string {
  return `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ${JSON.stringify(DISABLED)}

[grpc]
address = "${directory}/c.sock"
${options.grpcToml ?? ""}

${options.collectsEagerly === false ? "" : EAGER}
${options.extraToml ?? ""}
`;
}
