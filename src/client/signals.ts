import { InvalidArgumentError } from "../errors.js";

// Linux's numbers, whatever this process runs on: the task runs on the daemon's host.
const numbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGIOT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPOLL: 29,
  SIGPWR: 30,
  SIGSYS: 31,
};
const LARGEST = 64;

/**
 * The number a signal has on Linux.
 *
 * @throws {InvalidArgumentError} when there is no such signal
 */
export function signalNumber(signal: NodeJS.Signals | number): number {
  if (typeof signal === "number") {
    if (Number.isInteger(signal) && signal > 0 && signal <= LARGEST) return signal;
  } else if (Object.hasOwn(numbers, signal)) {
    return numbers[signal] as number;
  }
  throw new InvalidArgumentError(`Cannot send signal ${JSON.stringify(signal)}: Linux has none of that name or number`);
}
