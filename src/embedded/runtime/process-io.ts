import { closeSync, constants, openSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { NotImplementedError, UnknownError } from "../../errors.js";

/** The paths and URIs a client names for the streams of a process; empty for what there is not. */
export interface ProcessIO {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
}

/** One end of a stream that a client named, as file descriptors of ours. */
export interface OpenStream {
  /** The process's end. Whoever takes it closes it. */
  readonly fd: number;
  /**
   * The other end of a fifo, so that its reader or writer may come and go; closed when the process is deleted, or its input
   * when a client says that it is over.
   */
  readonly guard: number | undefined;
  readonly fifo: boolean;
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_NONBLOCK } = constants;

/** Opens what a process reads; `undefined` when it has no input. */
export function openInput(target: string): OpenStream | undefined {
  if (target === "") return undefined;
  return opened(target, () => {
    if (isFifo(target)) return openFifo(target, O_RDONLY, O_WRONLY);
    return { fd: openSync(target, O_RDONLY), guard: undefined, fifo: false };
  });
}

/**
 * Opens what a process writes to, as the runc shim does: a fifo, a file that exists, a `file://` that is made where there is none.
 *
 * @throws {NotImplementedError} when it names a program to log to
 */
export async function openOutput(target: string): Promise<OpenStream> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(target)?.[1]?.toLowerCase();
  if (scheme === "file") {
    const path = fileURLToPath(target);
    await mkdir(dirname(path), { recursive: true });
    return opened(path, () => ({
      fd: openSync(path, O_WRONLY | O_APPEND | O_CREAT, 0o644),
      guard: undefined,
      fifo: false,
    }));
  }
  if (scheme !== undefined) {
    throw new NotImplementedError(
      `Cannot write to ${target}: the embedded containerd knows fifos, files and file:// URIs`,
    );
  }
  return opened(target, () => {
    if (isFifo(target)) return openFifo(target, O_WRONLY, O_RDONLY);
    return { fd: openSync(target, O_WRONLY | O_APPEND), guard: undefined, fifo: false };
  });
}

/** Closes what {@link openInput} or {@link openOutput} keeps for others. */
export function closeGuard(stream: OpenStream | undefined): void {
  if (stream?.guard !== undefined) closeSync(stream.guard);
}

function openFifo(path: string, ours: number, others: number): OpenStream {
  // Each end waits in the kernel for the other to be opened, unless somebody has both.
  const both = openSync(path, O_RDWR | O_NONBLOCK);
  try {
    const guard = openSync(path, others | O_NONBLOCK);
    return { fd: openSync(path, ours), guard, fifo: true };
  } finally {
    closeSync(both);
  }
}

function isFifo(path: string): boolean {
  return statSync(path).isFIFO();
}

function opened<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code;
    const why = errno === "ENOENT" ? "no such file or directory" : String(errno);
    throw new UnknownError(
      `failed to create shim task: failed to start io pipe copy: unable to copy pipes: containerd-shim: opening file ${JSON.stringify(path)} failed: open ${path}: ${why}`,
      { cause },
    );
  }
}
