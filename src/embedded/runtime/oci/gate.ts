import { execFile } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { Spec } from "../../../oci/runtime-spec.js";

const run = promisify(execFile);
// It keeps what it is told on its input, who the container is, and waits at a fifo. That is opened first, as long as we surely
// have it open, too: when we close it or are gone, it reads the end and fails, and the runtime takes back what it made.
const SCRIPT = 'exec 3< "$1" && cat > "$0.new" && mv "$0.new" "$0" && read -r go <&3';

/**
 * Where a container that was made waits to be started. A runtime that stays with its container, and so knows how it ended,
 * makes and starts it in one go; a hook in between holds it up.
 */
export class Gate {
  readonly #state: string;
  readonly #fifo: string;
  #fd: number | undefined;

  constructor(state: string, fifo: string) {
    this.#state = state;
    this.#fifo = fifo;
  }

  async make(): Promise<void> {
    await run("mkfifo", ["-m", "0600", "--", this.#fifo]);
    this.#fd = openSync(this.#fifo, constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** The same spec, with the hook last. */
  holding(spec: Spec): Spec {
    const hooks = (spec["hooks"] ?? {}) as Readonly<Record<string, readonly unknown[] | undefined>>;
    const hook = {
      path: "/bin/sh",
      args: ["sh", "-c", SCRIPT, this.#state, this.#fifo],
      env: [`PATH=${process.env["PATH"] ?? ""}`],
    };
    return { ...spec, hooks: { ...hooks, createRuntime: [...(hooks["createRuntime"] ?? []), hook] } };
  }

  /** The process id of a container that waits; `undefined` before it does. */
  async pid(): Promise<number | undefined> {
    try {
      return (JSON.parse(await readFile(this.#state, "utf8")) as { pid: number }).pid;
    } catch {
      // Not there yet.
      return undefined;
    }
  }

  /** Lets it go. */
  open(): void {
    if (this.#fd !== undefined) writeSync(this.#fd, "go\n");
  }

  /** Lets nobody through any more: who waits fails. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
