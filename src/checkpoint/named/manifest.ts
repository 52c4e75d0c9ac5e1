import { InvalidArgumentError } from "../../errors.js";
import { isDigest } from "../../oci/digest.js";
import { writeGoJson } from "../../oci/go-json.js";
import {
  expectObject,
  fieldOf,
  type JsonObject,
  optionalArray,
  optionalString,
  parseJsonObject,
} from "../../oci/json.js";
import { parseSpec, type Spec } from "../../oci/runtime-spec.js";
import type { CheckpointImage } from "../description.js";

/** What lies beside criu's images in a checkpoint directory of ours; Docker hands it on with them, and criu passes it over. */
export const MANIFEST_FILE = "containerd-client.json";

const VERSION = 1;

/** One of the files of a dump. */
export interface DumpFile {
  /** Its name: they lie beside each other. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** What a checkpoint directory of ours says of itself. */
export interface CheckpointManifest {
  readonly createdAt: Date;
  readonly expiresAt?: Date | undefined;
  readonly containerId: string;
  readonly namespace: string;
  readonly image: CheckpointImage;
  readonly runtime: string;
  readonly snapshotter: string;
  readonly spec?: Spec | undefined;
  /** All files of the dump: what lacks one is no whole checkpoint. */
  readonly files: readonly DumpFile[];
}

/** Writes it as JSON. */
export function encodeManifest(manifest: CheckpointManifest): string {
  const { createdAt, expiresAt, containerId, namespace, image, runtime, snapshotter, spec, files } = manifest;
  const { name, digest, chainId } = image;
  return `${writeGoJson({
    schemaVersion: VERSION,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString(),
    containerId,
    namespace,
    image: { name, digest, chainId },
    runtime,
    snapshotter,
    files: files.map(({ name: file, size }) => ({ name: file, size })),
    spec,
  })}\n`;
}

/**
 * Parses what such a directory says of itself.
 *
 * @throws {InvalidArgumentError} when it is none, or of a version to come
 */
export function parseManifest(source: Uint8Array): CheckpointManifest {
  const what = "checkpoint manifest";
  const document = parseJsonObject(source, what);
  const version = fieldOf(document, "schemaVersion");
  if (version !== VERSION) {
    throw new InvalidArgumentError(`Cannot parse ${what}: expected version ${VERSION}, got ${String(version)}`);
  }
  const text = (field: string): string => optionalString(document, field, what) ?? "";
  const image = expectObject(fieldOf(document, "image") ?? {}, `image of ${what}`);
  const spec = fieldOf(document, "spec");
  const expiresAt = optionalString(document, "expiresAt", what);
  return {
    createdAt: instant(text("createdAt")),
    ...(expiresAt === undefined ? {} : { expiresAt: instant(expiresAt) }),
    containerId: text("containerId"),
    namespace: text("namespace"),
    image: parseImage(image),
    runtime: text("runtime"),
    snapshotter: text("snapshotter"),
    ...(spec === undefined ? {} : { spec: parseSpec(writeGoJson(spec)) }),
    files: (optionalArray(document, "files", what) ?? []).map((file) =>
      parseFile(expectObject(file, `file of ${what}`)),
    ),
  };
}

function parseImage(from: JsonObject): CheckpointImage {
  const text = (field: string) => optionalString(from, field, "image of checkpoint manifest");
  const [name, digest, chainId] = [text("name"), text("digest"), text("chainId")];
  return {
    ...(name === undefined ? {} : { name }),
    ...(digest !== undefined && isDigest(digest) ? { digest } : {}),
    ...(chainId !== undefined && isDigest(chainId) ? { chainId } : {}),
  };
}

function parseFile(from: JsonObject): DumpFile {
  const name = optionalString(from, "name", "file of checkpoint manifest") ?? "";
  const size = fieldOf(from, "size");
  if (name === "" || /[/\0]/.test(name) || typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new InvalidArgumentError(
      `Cannot parse checkpoint manifest: ${JSON.stringify(name.slice(0, 160))} is no file`,
    );
  }
  return { name, size };
}

function instant(text: string): Date {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) {
    throw new InvalidArgumentError(
      `Cannot parse checkpoint manifest: ${JSON.stringify(text.slice(0, 160))} is no instant`,
    );
  }
  return at;
}
