import { open as openFile } from "node:fs/promises";
import { basename, dirname, isAbsolute } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { FailedPreconditionError, InvalidArgumentError } from "../errors.js";

/**
 * Where a process is about to be made.
 *
 * @inline
 */
export interface IOContext {
  /** The container's id. */
  readonly containerId: string;
  /** The container's namespace. */
  readonly namespace: string;
  /** The UUID the daemon knows itself by; `undefined` when it does not tell. Asked for once a minute at most. */
  serverId(): Promise<string | undefined>;
  /** Whether the daemon runs on this machine, so that both see the same files. */
  readonly local: boolean;
  /** Whether the process gets a terminal, as its spec says. */
  readonly terminal: boolean;
}

/**
 * The paths and URIs the daemon is told; empty for what there is not.
 *
 * @inline
 */
export interface IORequest {
  /** Standard input. */
  readonly stdin: string;
  /** Standard output; with a terminal everything the process writes. */
  readonly stdout: string;
  /** Standard error; empty with a terminal. */
  readonly stderr: string;
  /** Whether the process gets a terminal. */
  readonly terminal: boolean;
}

/**
 * The input and output of one process, ready for it to be made.
 *
 * @inline
 */
export interface OpenIO {
  /** What the daemon is told. */
  readonly request: IORequest;
  /**
   * Standard input, where it was asked for with `"pipe"`. Ending it ends the process's input. When the process ends first it is
   * destroyed; with a {@link FailedPreconditionError} when something written to it was not read.
   */
  readonly stdin?: Writable;
  /** Standard output, where no stream of the caller's takes it. It must be read, or the process stops when the pipe is full. */
  readonly stdout?: Readable;
  /** Standard error, as `stdout`; absent with a terminal. */
  readonly stderr?: Readable;
  /**
   * To be called when the process was started; `closeStdin` asks the daemon to end the process's input, and `wait` resolves when
   * the process has ended.
   */
  started(closeStdin: () => Promise<void>, wait?: (signal: AbortSignal) => Promise<unknown>): void;
  /**
   * Resolves when everything the ended process wrote has been read. What a child it left behind may still write is not
   * waited for. To be called before the daemon removes the process: its shim drops soon after what nobody has read.
   */
  finish(): Promise<void>;
  /**
   * Closes and removes everything; what is still unread is lost. Does nothing the second time.
   *
   * @throws {Error} when output could not be read, or the end of the input not be told; it is closed all the same
   */
  close(): Promise<void>;
}

/** How the input and output of a process are made: {@link nullIO}, {@link fileIO}, {@link streamIO}, or the caller's own. */
export interface TaskIO {
  /**
   * Makes it. Refuses before anything is made what this daemon or this process cannot have.
   *
   * @throws {FailedPreconditionError} when it needs files the daemon does not share, or cannot make them
   * @throws {InvalidArgumentError} when it does not go with a terminal, or a path is not absolute
   */
  open(context: IOContext): Promise<OpenIO>;
}

/**
 * No input, and output that goes nowhere.
 *
 * @example
 * ```ts
 * await container.newTask({ io: nullIO() });
 * ```
 */
export function nullIO(): TaskIO {
  return {
    // The shim must have something to copy a terminal to.
    open: async ({ terminal }) => unattended({ stdin: "", stdout: terminal ? "/dev/null" : "", stderr: "", terminal }),
  };
}

/**
 * Files on the daemon's host; absolute paths.
 *
 * @inline
 */
export interface FileIOOptions {
  /** What the process writes is appended here. */
  readonly stdout: string;
  /** What it writes to standard error; the file of `stdout` when absent. A file of its own needs a daemon on this machine. */
  readonly stderr?: string | undefined;
  /** What it reads; nothing when absent. */
  readonly stdin?: string | undefined;
}

/**
 * Output appended to files on the daemon's host, by the daemon's shim: it goes on when this process ends.
 *
 * @example
 * ```ts
 * await container.newTask({ io: fileIO({ stdout: "/var/log/counter.log" }) });
 * ```
 */
export function fileIO(options: FileIOOptions): TaskIO {
  const { stdout, stderr = stdout, stdin = "" } = options;
  return {
    open: async ({ containerId, local, terminal }) => {
      for (const path of [stdout, stderr, ...(stdin === "" ? [] : [stdin])]) {
        if (!isAbsolute(path) || path.includes("\0")) {
          throw new InvalidArgumentError(`Cannot use file ${JSON.stringify(path)} as IO: the path must be absolute`);
        }
      }
      if (terminal && options.stderr !== undefined) {
        throw new InvalidArgumentError(
          `Cannot give container ${containerId} a stderr: with a terminal there is only stdout`,
        );
      }
      if (stderr === stdout && !terminal && !local) {
        const file = pathToFileURL(stdout).href;
        return unattended({ stdin, stdout: file, stderr: file, terminal });
      }
      // For a file:// URI the shim sends both to one file, and for a terminal it knows none; it takes bare paths of files that exist.
      if (!local) {
        throw new FailedPreconditionError(
          terminal
            ? `Cannot write the terminal of container ${containerId} to a file: the daemon is not known to run on this machine`
            : `Cannot write stdout and stderr of container ${containerId} to two files: the daemon is not known to run on this machine`,
          {
            hint: "The files must be made before the daemon opens them. One file for both needs no shared filesystem.",
          },
        );
      }
      for (const path of new Set([stdout, stderr])) await (await openFile(path, "a", 0o644)).close();
      // Told one name twice, the shim of 1.7 may close the file with the first output that ends, and drop the other.
      const other = stderr === stdout ? `${dirname(stdout)}/./${basename(stdout)}` : stderr;
      return unattended({ stdin, stdout, stderr: terminal ? "" : other, terminal });
    },
  };
}

/** IO that goes on without us. */
function unattended(request: IORequest): OpenIO {
  return { request, started: () => {}, finish: async () => {}, close: async () => {} };
}
