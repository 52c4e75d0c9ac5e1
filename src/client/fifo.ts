import { execFile } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { FailedPreconditionError } from "../errors.js";
import { operationsHere, ownOwner } from "./recovery/owner.js";

const run = promisify(execFile);

/** Where directories of named pipes are made when nobody says otherwise. */
export const FIFO_ROOT = "/run/containerd/fifo";

/** What the name of such a directory begins with. */
export const FIFO_PREFIX = "containerd-client-";

/** The file in it that says whose it is. */
export const FIFO_OWNER_FILE = "owner";

/** A directory of named pipes that nobody else may enter. */
export interface FifoDirectory {
  /** Where the pipe of that name is. */
  path(name: string): string;
  /** Removes the directory with its pipes; who has one open keeps it. */
  remove(): Promise<void>;
}

/** Whose tasks the pipes are for: a machine may have several daemons. */
export interface FifoUser {
  readonly serverId: string | undefined;
  readonly namespace: string;
}

/** @throws {FailedPreconditionError} when `parent` cannot be written, or there is no `mkfifo` command */
export async function makeFifos(parent: string, names: readonly string[], user: FifoUser): Promise<FifoDirectory> {
  let directory: string | undefined;
  try {
    await mkdir(parent, { recursive: true, mode: 0o711 });
    directory = await mkdtemp(join(parent, FIFO_PREFIX));
    const own = directory;
    operationsHere.add(own);
    await writeFile(join(own, FIFO_OWNER_FILE), JSON.stringify({ ...ownOwner(), ...user }), { mode: 0o600 });
    const path = (name: string): string => join(own, name);
    await run("mkfifo", ["-m", "0600", "--", ...names.map(path)]);
    return { path, remove: () => removeFifos(own) };
  } catch (reason) {
    if (directory !== undefined) await removeFifos(directory);
    const message = reason instanceof Error ? reason.message : String(reason);
    throw new FailedPreconditionError(`Cannot make named pipes under ${parent}: ${message}`, {
      cause: reason,
      hint: "Streams need a directory this process and the daemon both see (streamIO's `directory`) and the mkfifo command.",
    });
  }
}

async function removeFifos(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  operationsHere.delete(directory);
}

/** The reading end of a pipe. */
export interface FifoReader {
  readonly socket: Socket;
  /** From now on the end of the last writer is the end of what is read. */
  armEnd(): void;
}

/**
 * Opens a pipe for reading before anybody writes. Without a writer the kernel would report its end at once, so one of
 * our own stands in until {@link FifoReader.armEnd}.
 */
export function openFifoReader(path: string): FifoReader {
  // Without O_NONBLOCK the open itself waits for the other side, in one of libuv's four threads.
  let guard: number | undefined = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const armEnd = (): void => {
    if (guard !== undefined) closeSync(guard);
    guard = undefined;
  };
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { socket: new Socket({ fd, readable: true, writable: false }), armEnd };
  } catch (reason) {
    armEnd();
    throw reason;
  }
}

/** Opens a pipe for writing before anybody reads: what is written waits in the pipe, as we count as a reader too. */
export function openFifoWriter(path: string): Socket {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return new Socket({ fd, readable: false, writable: true });
}
