import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import {
  type FromGuardian,
  MessageReader,
  messageText,
  type ToGuardian,
  type WatchedPause,
} from "../../guardian/messages.js";
import type { Reach } from "../../rpc/session.js";
import { reachOf, type Transport } from "../../rpc/transport.js";

const READY_MS = 10_000;
const PROGRAM = fileURLToPath(new URL("../../guardian/main.js", import.meta.url));

/** A guardian's eye on one pause. */
export interface Guard {
  /** The task is about to be paused. */
  pausing(maxPausedMs: number): void;
  /** It is paused. */
  paused(): void;
  /** Who paused it could not resume it: from now on the guardian tries. */
  end(): void;
  /** From now on only this process's end matters, not the time. Resolves to whether that was understood. */
  hold(): Promise<boolean>;
  /** The task runs again. Resolves to whether the guardian was there until now. */
  done(): Promise<boolean>;
}

/** A guardian that is kept as long as somebody needs it. */
export interface GuardianUse {
  /** Has it watch a pause to be; `undefined` when it cannot reach the daemon, or is gone. */
  watch(pause: WatchedPause, onOverrun: () => void): Promise<Guard | undefined>;
  /** Lets go of it; with its last user it ends. */
  release(): void;
}

const running = new WeakMap<Transport, GuardianProcess>();

/** Starts the guardian of a connection, unless it runs already. `undefined` where there can be none. */
export function useGuardian(transport: Transport): GuardianUse | undefined {
  const known = running.get(transport);
  if (known?.isThere === true) return known.use();
  const reach = reachOf(transport);
  // Where this file became part of a bundle there is no program beside it.
  if (reach === undefined || !existsSync(PROGRAM)) return undefined;
  try {
    const started = new GuardianProcess(reach);
    running.set(transport, started);
    return started.use();
  } catch {
    // No process can be started: the result says that there was none.
    return undefined;
  }
}

/** The same, as JSON can carry it. */
function inText({ authority, path, tls }: Reach): Reach {
  if (tls === undefined) return { authority, path };
  const text = (pem: string | Uint8Array | undefined) =>
    pem instanceof Uint8Array ? Buffer.from(pem).toString() : pem;
  const { ca, cert, key, serverName } = tls;
  return { authority, path, tls: { ca: text(ca), cert: text(cert), key: text(key), serverName } };
}

class GuardianProcess {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #waiting = new Map<string, (there: boolean) => void>();
  readonly #overruns = new Map<number, () => void>();
  #users = 0;
  #serial = 0;
  #there = true;

  constructor(reach: Reach) {
    // Its own session, so that the terminal's signals are not its; nothing of the environment but what makes Electron Node; and
    // the process id only for whoever looks at the list of processes.
    this.#child = spawn(process.execPath, [PROGRAM, String(process.pid)], {
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
      env: { ELECTRON_RUN_AS_NODE: "1" },
    });
    const { stdin, stdout } = this.#child as { readonly stdin: Writable | null; readonly stdout: Readable | null };
    const gone = () => this.#gone();
    this.#child.once("error", gone).once("exit", gone);
    this.#input = (stdin as Writable).on("error", gone);
    const reader = new MessageReader<FromGuardian>((message) => this.#take(message));
    stdout?.setEncoding("utf8").on("data", (text: string) => reader.push(text));
    stdout?.on("error", gone);
    this.#child.unref();
    this.#hold(false);
    this.#tell({ kind: "connect", reach: inText(reach) });
  }

  get isThere(): boolean {
    return this.#there;
  }

  use(): GuardianUse {
    this.#users++;
    let used = true;
    return {
      watch: (pause, onOverrun) => this.#watch(pause, onOverrun),
      release: () => {
        if (!used) return;
        used = false;
        this.#users--;
        if (this.#users > 0) return;
        this.#there = false;
        this.#input.end();
      },
    };
  }

  async #watch(pause: WatchedPause, onOverrun: () => void): Promise<Guard | undefined> {
    const at = ++this.#serial;
    this.#overruns.set(at, onOverrun);
    if (!(await this.#ask({ kind: "watch", at, pause }))) return undefined;
    return {
      pausing: (maxPausedMs) => this.#tell({ kind: "pausing", at, maxPausedMs }),
      paused: () => this.#tell({ kind: "paused", at }),
      end: () => this.#tell({ kind: "end", at }),
      hold: () => this.#ask({ kind: "hold", at }),
      done: () => {
        this.#overruns.delete(at);
        return this.#ask({ kind: "done", at });
      },
    };
  }

  /** Tells something that is answered. */
  async #ask(message: ToGuardian & { readonly at: number }): Promise<boolean> {
    if (!this.#there) return false;
    const key = `${message.kind === "watch" ? "watch" : "noted"} ${message.at}`;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<boolean>((resolve) => {
        this.#waiting.set(key, resolve);
        timer = setTimeout(() => resolve(false), READY_MS);
        this.#hold(true);
        this.#tell(message);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(key);
      if (this.#waiting.size === 0) this.#hold(false);
    }
  }

  #tell(message: ToGuardian): void {
    if (this.#there) this.#input.write(messageText(message));
  }

  #take(message: FromGuardian): void {
    if (message.kind === "overrun") {
      this.#overruns.get(message.at)?.();
      return;
    }
    const key = `${message.kind === "noted" ? "noted" : "watch"} ${message.at}`;
    this.#waiting.get(key)?.(message.kind !== "unable");
  }

  #gone(): void {
    this.#there = false;
    for (const resolve of this.#waiting.values()) resolve(false);
  }

  /** Whether the pipes keep this process alive: only while an answer is awaited. */
  #hold(alive: boolean): void {
    for (const pipe of [this.#child.stdin, this.#child.stdout]) {
      const socket = pipe as unknown as { ref(): void; unref(): void } | null;
      if (alive) socket?.ref();
      else socket?.unref();
    }
  }
}
