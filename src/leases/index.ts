export type { Lease, LeaseManager, LeaseOptions, LeaseResource } from "./lease.js";
