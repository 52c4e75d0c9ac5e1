import type { Store } from "../content/store.js";
import type { LeaseManager } from "../leases/lease.js";
import type { Rpc } from "../rpc/rpc.js";
import type { Containers } from "./containers.js";
import type { Diffs } from "./diffs.js";
import type { Images } from "./images.js";
import type { Introspection } from "./introspection.js";
import type { Snapshots } from "./snapshots.js";

/** What the objects people hold work with: the daemon's services in one namespace. */
export interface Services {
  readonly rpc: Rpc;
  readonly namespace: string;
  readonly content: Store;
  readonly leases: LeaseManager;
  readonly images: Images;
  readonly containers: Containers;
  readonly diffs: Diffs;
  readonly introspection: Introspection;
  /** Whether the daemon's files lie on this machine: it was reached through a unix socket. */
  readonly local: boolean;
  /** Whether blobs may be read from the daemon's files, where these can be seen. */
  readonly localContent: boolean;
  /** Whether a guardian stands by while a task is paused, where there can be one. */
  readonly guardian: boolean;
  /** How many checkpoints and restores may run at once. */
  readonly maxConcurrent: number;
  /** The snapshots of one snapshotter, such as `overlayfs`. */
  snapshots(snapshotter: string): Snapshots;
}
