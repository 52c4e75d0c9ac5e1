import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SIMULATED_DUMP } from "../../../checkpoint/simulated-dump.js";
import { DataLossError, FailedPreconditionError } from "../../../errors.js";

/** A simulated process that stands still. */
export interface FrozenProcess {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly memory: Uint8Array;
  /** Input that came and was not read. */
  readonly stdin: Uint8Array;
  /** Output that had not left yet. */
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

const MEMORY = "memory.img";
const VERSION = 1;

/** Saves a process into a directory. */
export async function writeDump(directory: string, frozen: FrozenProcess): Promise<void> {
  const { args, env, cwd, memory, stdin, stdout, stderr } = frozen;
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const document = {
    version: VERSION,
    process: { args, env, cwd },
    memoryBytes: memory.length,
    unread: base64(stdin),
    unsent: { stdout: base64(stdout), stderr: base64(stderr) },
  };
  await writeFile(join(directory, MEMORY), memory, { mode: 0o600 });
  await writeFile(join(directory, SIMULATED_DUMP), JSON.stringify(document), { mode: 0o600 });
}

interface Document {
  readonly version: unknown;
  readonly process: { readonly args: string[]; readonly env: string[]; readonly cwd: string };
  readonly memoryBytes: number;
  readonly unread: string;
  readonly unsent: { readonly stdout: string; readonly stderr: string };
}

/**
 * Brings back what {@link writeDump} saved.
 *
 * @throws {FailedPreconditionError} when it is criu's, or of another version
 * @throws {DataLossError} when a part of it is missing
 */
export async function readDump(directory: string): Promise<FrozenProcess> {
  const text = await readFile(join(directory, SIMULATED_DUMP), "utf8").catch((cause: unknown) => {
    throw new FailedPreconditionError("Cannot thaw a simulated process: the dump is not of a simulated one", {
      cause,
      hint: "Memory that criu saved is thawed by a containerd with runc and criu.",
    });
  });
  const document = parseDocument(text);
  if (document.version !== VERSION) {
    throw new FailedPreconditionError(
      `Cannot thaw a simulated process: the dump is of version ${String(document.version)}`,
    );
  }
  const bytes = (encoded: string): Uint8Array => Buffer.from(encoded, "base64");
  const memory = await readFile(join(directory, MEMORY)).catch((cause: unknown) => {
    throw new DataLossError("Cannot thaw a simulated process: the dump holds no memory", { cause });
  });
  if (memory.length !== document.memoryBytes) {
    throw new DataLossError(
      `Cannot thaw a simulated process: its memory has ${memory.length} bytes, expected ${document.memoryBytes}`,
    );
  }
  return {
    ...document.process,
    memory: Uint8Array.from(memory),
    stdin: bytes(document.unread),
    stdout: bytes(document.unsent.stdout),
    stderr: bytes(document.unsent.stderr),
  };
}

function parseDocument(text: string): Document {
  try {
    return JSON.parse(text) as Document;
  } catch (cause) {
    throw new DataLossError("Cannot thaw a simulated process: the dump cannot be parsed", { cause });
  }
}
