import { open } from "node:fs/promises";
import { type ContainerdError, errorFor, isContainerdError } from "../errors.js";
import type { Services } from "./services.js";

const TAIL = 256 * 1024;
const MOST_LINES = 10;

/** Explanations for what criu says most often. */
const hints: readonly (readonly [RegExp, string])[] = [
  [
    /Connected TCP socket/,
    "The task has established TCP connections: checkpoint it with withCheckpointTask({ openTcp: true }).",
  ],
  [/file locks are hold/i, "The task holds file locks: checkpoint it with withCheckpointTask({ fileLocks: true })."],
  [
    /External socket is used|external unix/i,
    "The task uses a unix socket of the outside: withCheckpointTask({ externalUnixSockets: true }) accepts it.",
  ],
  [
    /No space left on device/,
    "The daemon's temporary directory is full: the dump needs as much space as the task has memory.",
  ],
  [/iptables-restore/, "criu finds no iptables: install it, or put `network-lock nftables` into criu's configuration."],
  [
    /Can't get rlimit/,
    "criu needs the capability CAP_SYS_RESOURCE for processes of another user: the daemon must run with it.",
  ],
  [/Unexpected rt vDSO|vdso: Failed/, "This criu is too old for the running kernel."],
];

/** Error lines that say only that there was an error, or that are said on every run in a box. */
const aftermath =
  /(?:Restoring|Dumping) FAILED|cgroupd: recv req error|RLIMIT_NOFILE|\d+ (?:exited, status=|killed by signal )\d/;

/** Adds criu's own words to a failed dump or restore, when its log lies on this machine: where the error says, or in `workPath`. */
export async function withCriuLog(services: Services, reason: unknown, workPath?: string): Promise<unknown> {
  if (!isContainerdError(reason)) return reason;
  if (!services.local) return explainCriu(reason, []);
  const named = /(?:path=|log file:)\s*(\/\S+\.log)/.exec(reason.message)?.[1];
  const inWorkPath =
    workPath === undefined || workPath === "" ? [] : [`${workPath}/dump.log`, `${workPath}/restore.log`];
  for (const path of named === undefined ? inWorkPath : [named, ...inWorkPath]) {
    const lines = await errorLines(path);
    if (lines.length > 0) return explainCriu(reason, lines);
  }
  return explainCriu(reason, []);
}

/** The same error with criu's lines, and a hint when one of them is known. */
export function explainCriu(error: ContainerdError, lines: readonly string[]): ContainerdError {
  const text = [error.message, ...lines].join("\n");
  const hint = error.hint ?? hints.find(([pattern]) => pattern.test(text))?.[1];
  if (lines.length === 0 && hint === error.hint) return error;
  const telling = lines.findLast((line) => !aftermath.test(line)) ?? lines.at(-1);
  const message = telling === undefined ? error.message : `${error.message}; criu says: ${telling}`;
  const { method, namespace, operation } = error;
  const code = /No space left on device/.test(text) ? "resource_exhausted" : error.code;
  return errorFor(code, message, { cause: error, hint, method, namespace, operation, criuLog: lines });
}

/** The last error lines of a criu log; none when it cannot be read. */
async function errorLines(path: string): Promise<string[]> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const length = Math.min(size, TAIL);
    const { buffer } = await file.read({ buffer: Buffer.alloc(length), position: size - length });
    const lines = buffer.toString("utf8").split("\n");
    return lines
      .filter((line) => /\bError\b/.test(line))
      .map((line) => line.trim())
      .slice(-MOST_LINES);
  } catch {
    return [];
  }
}
