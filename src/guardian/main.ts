import { DaemonCalls } from "./daemon-calls.js";
import { removeDaemonDumps } from "./daemon-dumps.js";
import { endPause } from "./end-pause.js";
import { type FromGuardian, MessageReader, messageText, type ToGuardian, type WatchedPause } from "./messages.js";

// The process that resumes a task when the one that paused it dies or takes too long. The end of its standard input is that
// process's end. It lives as long as there is something to watch.

const CALL_MS = 10_000;
// Who paused the task comes first: this long after its time is over.
const GRACE_MS = 100;
// What a dead process asked for has begun by then; what is begun later is somebody else's.
const LATE_DUMP_MS = 2_000;

interface Watch {
  readonly pause: WatchedPause;
  state: "idle" | "pausing" | "paused";
  timer: NodeJS.Timeout | undefined;
  ending: Promise<unknown> | undefined;
  /** Who paused the task has resumed it. */
  readonly over: AbortController;
}

const watches = new Map<number, Watch>();
let calls: DaemonCalls | undefined;

function say(message: FromGuardian): void {
  process.stdout.write(messageText(message));
}

function end(watch: Watch): Promise<unknown> {
  const daemon = calls;
  if (daemon === undefined) return Promise.resolve();
  // Nothing was paused yet, but the word may be on the lease: who pauses the task later must not be taken for the one who died.
  watch.ending ??= watch.state === "idle" ? forget(daemon, watch) : endAll(daemon, watch);
  return watch.ending;
}

async function forget(daemon: DaemonCalls, { pause, over }: Watch): Promise<void> {
  if (over.signal.aborted) return;
  await daemon.forget(pause, CALL_MS).catch(() => {
    // Whoever recovers finds the task running, as a rule.
  });
}

async function endAll(daemon: DaemonCalls, watch: Watch): Promise<void> {
  const { pause, state, over } = watch;
  const untilMs = Date.now() + LATE_DUMP_MS;
  const removeDumps = async (): Promise<void> => {
    if (pause.dumps === undefined || over.signal.aborted) return;
    try {
      if (await daemon.stands(pause, CALL_MS))
        await removeDaemonDumps({ ...pause.dumps, untilMs }, { over: over.signal });
    } catch {
      // What cannot be removed is left to whoever sweeps.
    }
  };
  const ending = endPause(daemon, pause, { certain: state === "paused", over: over.signal });
  await Promise.all([ending, removeDumps()]);
  // A dump may have begun late, too.
  await removeDumps();
  await forget(daemon, watch);
}

async function begin(at: number): Promise<void> {
  try {
    await calls?.reach(CALL_MS);
    say({ kind: "watching", at });
  } catch (reason) {
    say({ kind: "unable", at, message: reason instanceof Error ? reason.message : String(reason) });
  }
}

function take(message: ToGuardian): void {
  if (message.kind === "connect") {
    calls = new DaemonCalls(message.reach);
    // Whoever asks for it hears why it failed.
    calls.reach(CALL_MS).catch(() => {});
    return;
  }
  const { at } = message;
  if (message.kind === "watch") {
    const over = new AbortController();
    watches.set(at, { pause: message.pause, state: "idle", timer: undefined, ending: undefined, over });
    void begin(at);
    return;
  }
  const watch = watches.get(at);
  if (watch === undefined) return;
  switch (message.kind) {
    case "pausing":
      watch.state = "pausing";
      watch.ending = undefined;
      watch.timer ??= setTimeout(() => {
        say({ kind: "overrun", at });
        watch.state = "paused";
        void end(watch);
      }, message.maxPausedMs + GRACE_MS);
      break;
    case "paused":
      watch.state = "paused";
      break;
    case "hold":
      clearTimeout(watch.timer);
      say({ kind: "noted", at });
      break;
    case "end":
      watch.state = "paused";
      void end(watch);
      break;
    case "done":
      void dismiss(at, watch);
      break;
  }
}

/** Answers when nothing that was begun can reach the daemon any more: the task may be paused anew at once. */
async function dismiss(at: number, watch: Watch): Promise<void> {
  clearTimeout(watch.timer);
  watches.delete(at);
  watch.over.abort();
  await Promise.allSettled([watch.ending]);
  say({ kind: "noted", at });
}

async function finish(): Promise<void> {
  for (const { timer } of watches.values()) clearTimeout(timer);
  await Promise.allSettled([...watches.values()].map(end));
  process.exit();
}

// Whoever stops a service signals all of its processes; the job is over when the pipe is.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
// The other side may be gone.
process.stdout.on("error", () => {});
const reader = new MessageReader<ToGuardian>(take);
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text: string) => reader.push(text));
process.stdin.on("error", () => void finish());
process.stdin.on("end", () => void finish());
