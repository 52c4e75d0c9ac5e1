import { type Labels, withoutNulls } from "./descriptor.js";
import { type Digest, parseDigest } from "./digest.js";
import {
  expectObject,
  fieldOf,
  type JsonObject,
  optionalArray,
  optionalString,
  optionalStringMap,
  optionalStrings,
  parseJsonObject,
  refusalOfLookalikes,
  unexpected,
} from "./json.js";

/** What to run, and how; every field is a default that a container may change. */
export interface ExecutionConfig {
  /** Who runs it: `name`, `uid`, `name:group` or `uid:gid`. */
  readonly User?: string;
  /** Ports it listens at, such as `80/tcp`. */
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  /** Environment as `NAME=value`. */
  readonly Env?: readonly string[];
  /** What always comes first on the command line. */
  readonly Entrypoint?: readonly string[];
  /** What comes after the entrypoint unless the caller says otherwise. */
  readonly Cmd?: readonly string[];
  /** Directories that hold data of their own. */
  readonly Volumes?: Readonly<Record<string, unknown>>;
  /** Where it runs. */
  readonly WorkingDir?: string;
  /** Facts about the image. */
  readonly Labels?: Labels;
  /** The signal that ends it in good order. */
  readonly StopSignal?: string;
}

/** The layers of an image, unpacked. */
export interface RootFS {
  /** Always `layers`. */
  readonly type: "layers";
  /** Digests of the unpacked layers, lowest first. */
  readonly diff_ids: readonly Digest[];
}

/** How one layer came to be. */
export interface History {
  /** When, as RFC 3339. */
  readonly created?: string;
  /** By which command. */
  readonly created_by?: string;
  /** By whom. */
  readonly author?: string;
  /** What was said about it. */
  readonly comment?: string;
  /** Whether the step made no layer. */
  readonly empty_layer?: boolean;
}

/**
 * How to run an image, and what its filesystem is made of.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
 */
export interface ImageConfig {
  /** When the image was made, as RFC 3339. */
  readonly created?: string;
  /** Who made it. */
  readonly author?: string;
  /** CPU, such as `amd64`. */
  readonly architecture: string;
  /** Operating system, such as `linux`. */
  readonly os: string;
  /** Version of the operating system. */
  readonly "os.version"?: string;
  /** Features the operating system must have. */
  readonly "os.features"?: readonly string[];
  /** Which kind of the CPU. */
  readonly variant?: string;
  /** What to run, and how. */
  readonly config?: ExecutionConfig;
  /** The layers. */
  readonly rootfs: RootFS;
  /** How the layers came to be, lowest first. */
  readonly history?: readonly History[];
}

const platformFields = ["architecture", "os", "os.version", "os.features", "variant"];
const refuseConfigLookalikes = refusalOfLookalikes([
  "created",
  "author",
  ...platformFields,
  "config",
  "rootfs",
  "history",
]);
const refuseRootFSLookalikes = refusalOfLookalikes(["type", "diff_ids"]);
const executionMaps = ["ExposedPorts", "Volumes"];
const executionLists = ["Env", "Entrypoint", "Cmd"];
const executionStrings = ["User", "WorkingDir", "StopSignal"];
const refuseExecutionLookalikes = refusalOfLookalikes([
  ...executionMaps,
  ...executionLists,
  ...executionStrings,
  "Labels",
]);

/**
 * Parses the config of an image, OCI's or Docker's; fields it does not know stay.
 *
 * @throws {ResourceExhaustedError} when it is larger than `maxSize` bytes (4 MiB when absent).
 * @throws {InvalidArgumentError} when it is not one.
 * @example
 * ```ts
 * const { rootfs } = parseImageConfig(bytes);
 * ```
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
 */
export function parseImageConfig(
  source: Uint8Array | string,
  options: { readonly maxSize?: number } = {},
): ImageConfig {
  const what = "image config";
  const document = parseJsonObject(source, what, options.maxSize);
  refuseConfigLookalikes(document, what);
  const config = fieldOf(document, "config");
  const history = optionalArray(document, "history", what)?.map((item) =>
    expectObject(item, "history of image config"),
  );
  return withoutNulls({
    ...document,
    ...strings(document, ["created", "author", "os.version", "variant"], what),
    architecture: requiredString(document, "architecture", what),
    os: requiredString(document, "os", what),
    "os.features": optionalStrings(document, "os.features", what),
    config: config === undefined ? undefined : parseExecutionConfig(config),
    rootfs: parseRootFS(fieldOf(document, "rootfs")),
    history,
  }) as unknown as ImageConfig;
}

function parseExecutionConfig(value: unknown): JsonObject {
  const what = "config of image config";
  const from = expectObject(value, what);
  refuseExecutionLookalikes(from, what);
  const maps = executionMaps.map((field) => {
    const map = fieldOf(from, field);
    return [field, map === undefined ? undefined : expectObject(map, `${field} of image config`)] as const;
  });
  const lists = executionLists.map((field) => [field, optionalStrings(from, field, what)] as const);
  return withoutNulls({
    ...from,
    ...strings(from, executionStrings, what),
    ...Object.fromEntries([...maps, ...lists]),
    Labels: optionalStringMap(from, "Labels", what),
  });
}

function parseRootFS(value: unknown): JsonObject {
  const what = "rootfs of image config";
  const from = expectObject(value, what);
  refuseRootFSLookalikes(from, what);
  const type = fieldOf(from, "type");
  if (type !== "layers") throw unexpected(what, "type", '"layers"', type);
  const diffIds = optionalStrings(from, "diff_ids", what) ?? [];
  return { ...from, diff_ids: diffIds.map((diffId) => parseDigest(diffId)) };
}

function requiredString(from: JsonObject, field: string, what: string): string {
  const value = optionalString(from, field, what);
  if (value === undefined) throw unexpected(what, field, "a string", value);
  return value;
}

function strings(from: JsonObject, fields: readonly string[], what: string): JsonObject {
  return Object.fromEntries(fields.map((field) => [field, optionalString(from, field, what)]));
}
