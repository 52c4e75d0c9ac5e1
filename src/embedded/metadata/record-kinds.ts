import type { Labels } from "../../oci/descriptor.js";
import type { Digest } from "../../oci/digest.js";

/** What every record knows of itself. */
interface Recorded {
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A protobuf Any as it is kept. */
export interface AnyRecord {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** A container; its key is the id. */
export interface ContainerRecord extends Recorded {
  readonly image: string;
  readonly runtime: { readonly name: string; readonly options?: AnyRecord | undefined };
  readonly spec: AnyRecord;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly sandbox: string;
  readonly extensions: Readonly<Record<string, AnyRecord>>;
}

/** An image; its key is the name. */
export interface ImageRecord extends Recorded {
  readonly target: {
    readonly mediaType: string;
    readonly digest: Digest;
    readonly size: number;
    readonly annotations: Labels;
  };
}

/** A lease; its key is the id. */
export interface LeaseRecord {
  readonly labels: Labels;
  readonly createdAt: Date;
}

/** Something a lease holds; its key is {@link leaseResourceKey}. */
export interface LeaseResourceRecord {
  readonly lease: string;
  readonly type: string;
  readonly id: string;
}

/** A blob as one namespace sees it; its key is the digest. */
export interface BlobRecord extends Recorded {
  readonly size: number;
}

/** An ingest; its key is the ref. */
export interface IngestRecord {
  /** Names its bytes. */
  readonly id: string;
  readonly total: number | undefined;
  readonly expected: Digest | undefined;
  readonly startedAt: Date;
  /** When the collector may drop it though nothing else changed; with none a lease holds it. */
  readonly expiresAt: Date | undefined;
  /** Its bytes are those of a blob that another namespace has. */
  readonly shared: boolean;
}

/** A namespace; its key is the name, and so is its namespace. */
export interface NamespaceRecord {
  readonly labels: Labels;
}

/** A snapshot; its key is `<snapshotter>/<key>`. */
export interface SnapshotRecord extends Recorded {
  readonly snapshotter: string;
  readonly key: string;
  readonly parent: string;
  readonly kind: "view" | "active" | "committed";
  /** Names its files. */
  readonly id: string;
}

/**
 * What is kept, by kind. Values are plain: objects, arrays, strings, numbers, booleans, `Date` and `Uint8Array`; they are not changed
 * after they were set.
 */
export interface RecordKinds {
  readonly containers: ContainerRecord;
  readonly content: BlobRecord;
  readonly images: ImageRecord;
  readonly ingests: IngestRecord;
  readonly leases: LeaseRecord;
  readonly leaseResources: LeaseResourceRecord;
  readonly namespaces: NamespaceRecord;
  readonly snapshots: SnapshotRecord;
}

/** The names of all kinds. */
export const recordKinds: readonly (keyof RecordKinds)[] = Object.keys({
  containers: true,
  content: true,
  images: true,
  ingests: true,
  leases: true,
  leaseResources: true,
  namespaces: true,
  snapshots: true,
} satisfies { readonly [K in keyof RecordKinds]: true }) as (keyof RecordKinds)[];
