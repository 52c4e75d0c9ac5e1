import type { Digest } from "../../oci/digest.js";
import type { Records, Resource } from "../daemon.js";
import type { BlobRecord, IngestRecord } from "../metadata/record-kinds.js";
import type { Bytes } from "./bytes.js";

/** What the content of a namespace is made of. */
export interface ContentRoom {
  readonly namespace: string;
  readonly bytes: Bytes;
  readonly blobs: Records<BlobRecord>;
  readonly ingests: Records<IngestRecord>;
  /** Since when the refs of this namespace are locked. */
  readonly locks: Map<string, Date>;
  /** Puts something under a lease. */
  hold(lease: string | undefined, resource: Resource): void;
  /** Takes it from under a lease. */
  release(lease: string | undefined, resource: Resource): void;
  /** Tells that a blob was made. */
  created(digest: Digest, size: number): void;
  /** Tells that a blob was deleted. */
  deleted(digest: Digest): void;
}
