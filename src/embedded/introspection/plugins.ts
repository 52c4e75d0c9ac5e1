import { arch } from "node:os";
import { join } from "node:path";
import type { Daemon } from "../daemon.js";
import type { Runtime } from "../runtime/runtime.js";

interface PluginInit {
  type: string;
  id: string;
  capabilities: string[];
  platforms?: { os: string; architecture: string }[];
  exports?: Record<string, string>;
}

/** The services that answer calls, by the names containerd gives their plugins. */
const services = [
  "containers",
  "content",
  "diff",
  "events",
  "images",
  "introspection",
  "leases",
  "namespaces",
  "snapshots",
  "tasks",
  "version",
];

/** What the embedded containerd is made of, in containerd's words. */
export function plugins(daemon: Pick<Daemon, "root" | "snapshotters">, runtime: Pick<Runtime, "name">): PluginInit[] {
  const platforms = [{ os: "linux", architecture: architecture() }];
  const exports: Record<string, string> = daemon.root === undefined ? {} : { root: contentRoot(daemon.root) };
  return [
    plugin("io.containerd.content.v1", "content", { exports }),
    ...[...daemon.snapshotters.keys()].map((name) => plugin("io.containerd.snapshotter.v1", name, { platforms })),
    plugin("io.containerd.differ.v1", "walking", { platforms }),
    plugin("io.containerd.gc.v1", "scheduler", {}),
    plugin("io.containerd.event.v1", "exchange", {}),
    plugin("io.containerd.lease.v1", "manager", {}),
    plugin("io.containerd.runtime.v2", "task", { platforms, capabilities: [runtime.name] }),
    ...services.filter((id) => id !== "version").map((id) => plugin("io.containerd.service.v1", `${id}-service`, {})),
    ...services.map((id) => plugin("io.containerd.grpc.v1", id, {})),
  ];
}

/** Where the content of a root is, as containerd has it: clients find what else is there by its parent. */
export function contentRoot(root: string): string {
  return join(root, "io.containerd.content.v1.content");
}

function plugin(type: string, id: string, more: Partial<PluginInit>): PluginInit {
  return { capabilities: [], ...more, type, id };
}

/** This machine's, by the name Go has for it. */
function architecture(): string {
  const names: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", loong64: "loong64" };
  return names[arch()] ?? arch();
}
