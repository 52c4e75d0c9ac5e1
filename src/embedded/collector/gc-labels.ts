import type { Labels } from "../../oci/descriptor.js";
import type { Resource } from "../daemon.js";

const ROOT = "containerd.io/gc.root";
const EXPIRE = "containerd.io/gc.expire";
const FLAT = "containerd.io/gc.flat";
const REFERENCE = "containerd.io/gc.ref.";

/** Whether these labels make a blob or a snapshot a root, whatever their value. */
export function isRoot(labels: Labels): boolean {
  return Object.keys(labels).some((name) => name.startsWith(ROOT));
}

/** Whether a lease with these labels holds its resources alone, and not what those refer to by their labels. */
export function isFlat(labels: Labels): boolean {
  return Object.hasOwn(labels, FLAT);
}

/** Whether these labels make something end by itself. */
export function expires(labels: Labels): boolean {
  return Object.hasOwn(labels, EXPIRE);
}

/** Whether it has ended; what is no time never comes. */
export function isExpired(labels: Labels, now: Date): boolean {
  return expires(labels) && new Date(labels[EXPIRE] ?? "").getTime() < now.getTime();
}

/** What something with these labels refers to. */
export function references(labels: Labels): Resource[] {
  return Object.entries(labels).flatMap(([name, id]) => resource(name, id));
}

/** After the kind may follow, behind a `.` or `/`, what tells a label from another of its kind. */
const grammar = /^(?:(?<kind>content|image)(?:[./].*)?|snapshot\.(?<snapshotter>[^/]*)(?:\/.*)?)$/s;

function resource(name: string, id: string): Resource[] {
  if (!name.startsWith(REFERENCE)) return [];
  const { kind, snapshotter } = grammar.exec(name.slice(REFERENCE.length))?.groups ?? {};
  if (snapshotter !== undefined) return [{ type: `snapshots/${snapshotter}`, id }];
  if (kind === "content") return [{ type: "content", id }];
  return kind === undefined ? [] : [{ type: `${kind}s`, id }];
}
