import { createReadStream } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { limitsOf } from "../../checkpoint/archive/limits.js";
import { DumpBudget } from "../../checkpoint/criu/budget.js";
import { ImageMagic, readImage } from "../../checkpoint/criu/image.js";
import { processRecord } from "../../checkpoint/criu/records.js";
import { instantOf, textIn } from "../../checkpoint/inspect/loose-json.js";
import {
  type CheckpointManifest,
  type DumpFile,
  MANIFEST_FILE,
  parseManifest,
} from "../../checkpoint/named/manifest.js";
import type { NamedCheckpoint } from "../../checkpoint/named/named-checkpoint.js";
import { during } from "../../content/layout/file-errors.js";
import { readPlain } from "../../content/layout/files.js";
import { DataLossError, isContainerdError } from "../../errors.js";
import { parseJsonObject } from "../../oci/json.js";

const MOST_BYTES = 4 * 1024 * 1024;
/** What Docker up to 17.09 put beside the images. */
const OLD_CONFIG = "config.json";
/** Where in containerd Docker has its containers. */
const DOCKERS = "moby";
/** Images with no head of criu's: bytes of memory, and what other programs say. Of an empty ruleset these say nothing. */
const rawImage = /^(?:pages|ifaddr|route6?|rule|ip6?tables|nftables|netns-(?:ct|exp)|ipset)-[\w.-]*\.img$/;

/** A directory with a whole checkpoint in it. */
export interface CheckpointDirectory {
  readonly checkpoint: NamedCheckpoint;
  /** The namespace of its container; `undefined` when nothing says which. */
  readonly namespace: string | undefined;
  readonly path: string;
  /** The files of the dump. */
  readonly files: readonly DumpFile[];
}

/**
 * Reads a directory with criu's images in it, which Docker or we have made.
 *
 * @throws {NotFoundError} when there is none
 * @throws {DataLossError} when it holds no whole checkpoint
 */
export async function readCheckpointDirectory(directory: string, name: string): Promise<CheckpointDirectory> {
  const path = join(directory, name);
  return during(`read checkpoint directory ${path}`, async () => {
    if (!(await lstat(path)).isDirectory()) throw notWhole(path, "it is no directory");
    const own = await readPlain(join(path, MANIFEST_FILE), MOST_BYTES);
    if (own !== undefined) return ofOurs(path, name, parseManifest(own));
    return ofDocker(path, name);
  });
}

async function ofOurs(path: string, name: string, manifest: CheckpointManifest): Promise<CheckpointDirectory> {
  const there = new Map((await filesIn(path)).map((file) => [file.name, file.size]));
  for (const file of manifest.files) {
    if (there.get(file.name) !== file.size) throw notWhole(path, `${file.name} has not the ${file.size} bytes it had`);
  }
  if (manifest.files.length === 0) throw notWhole(path, "it has no files");
  const dockers = containerOf(path) === manifest.containerId ? DOCKERS : undefined;
  const { namespace, files } = manifest;
  return { checkpoint: checkpointOfManifest(path, name, manifest), namespace: namespace || dockers, path, files };
}

/** The checkpoint in a directory of ours, by what its manifest says. */
export function checkpointOfManifest(path: string, name: string, manifest: CheckpointManifest): NamedCheckpoint {
  const { createdAt, expiresAt, containerId, image, runtime, spec, files } = manifest;
  return {
    name,
    origin: { engine: "containerd" },
    containerId,
    createdAt,
    bytes: bytesOf(files),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    image,
    runtime: { name: runtime },
    annotations: {},
    path,
    ...(spec === undefined ? {} : { spec }),
  };
}

/** Docker writes into the directory under its name: one that it did not live to fill is told by what is missing. */
async function ofDocker(path: string, name: string): Promise<CheckpointDirectory> {
  const files = (await filesIn(path)).filter((file) => file.name !== OLD_CONFIG);
  const names = new Set(files.map((file) => file.name));
  const demand = (file: string) => {
    if (!names.has(file)) throw notWhole(path, `it has no ${file}`);
  };
  demand("inventory.img");
  demand("pstree.img");
  const empty = files.find((file) => file.size === 0 && file.name.endsWith(".img") && !rawImage.test(file.name));
  if (empty !== undefined) throw notWhole(path, `${empty.name} is empty`);
  const budget = new DumpBudget(limitsOf({}));
  const tree = readImage("pstree.img", createReadStream(join(path, "pstree.img")), ImageMagic.pstree, budget);
  for await (const entry of tree) for (const id of processRecord(entry).threadIds) demand(`core-${id}.img`);
  const old = await readPlain(join(path, OLD_CONFIG), MOST_BYTES);
  const { mtime } = await lstat(join(path, "inventory.img"));
  const containerId = containerOf(path);
  const checkpoint: NamedCheckpoint = {
    name,
    origin: { engine: "docker" },
    ...(containerId === undefined ? {} : { containerId }),
    createdAt: (old && createdIn(old)) ?? mtime,
    bytes: bytesOf(files),
    image: {},
    runtime: {},
    annotations: {},
    path,
  };
  return { checkpoint, namespace: containerId && DOCKERS, path, files };
}

/** The plain files of a directory, by name; of what is no file nothing is said. */
async function filesIn(path: string): Promise<DumpFile[]> {
  const entries = await readdir(path, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== MANIFEST_FILE).map(({ name }) => name);
  return Promise.all(files.sort().map(async (name) => ({ name, size: (await lstat(join(path, name))).size })));
}

/** Docker keeps checkpoints in a directory of the container's own, whose id is in the path. */
function containerOf(path: string): string | undefined {
  const checkpoints = dirname(path);
  const container = dirname(checkpoints);
  const isDockers = basename(checkpoints) === "checkpoints" && basename(dirname(container)) === "containers";
  return isDockers && /^[0-9a-f]{64}$/.test(basename(container)) ? basename(container) : undefined;
}

function createdIn(config: Uint8Array): Date | undefined {
  try {
    return instantOf(textIn(parseJsonObject(config, OLD_CONFIG), "created"));
  } catch (reason) {
    if (isContainerdError(reason)) return undefined;
    throw reason;
  }
}

function bytesOf(files: readonly DumpFile[]): number {
  return files.reduce((total, { size }) => total + size, 0);
}

function notWhole(path: string, why: string): DataLossError {
  return new DataLossError(`Directory ${path} holds no whole checkpoint: ${why}`);
}
