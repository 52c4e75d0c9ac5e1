import { InvalidArgumentError } from "../../../errors.js";

// Linux's numbers, whatever this process runs on: the signals of containers are Linux's.
const numbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGTSTP: 20,
  SIGURG: 23,
  SIGWINCH: 28,
};

/** Ends a process whatever it does. */
export const SIGKILL = 9;
export const SIGINT = 2;
/** Tells of another size of the terminal. */
export const SIGWINCH = 28;
const SIGSTOP = 19;
const LARGEST = 64;
const harmless = new Set([17, 18, SIGSTOP, 20, 21, 22, 23, SIGWINCH]);

/** Whether a process that does not handle the signal goes on. Those that stop it on Linux are not simulated. */
export function isHarmless(signal: number): boolean {
  return harmless.has(signal);
}

/** Whether Linux has a signal of that number. */
export function isSignal(signal: number): boolean {
  return signal >= 0 && signal <= LARGEST;
}

/** @throws {InvalidArgumentError} when a simulated process cannot handle it */
export function signalOf(name: NodeJS.Signals): number {
  const number = numbers[name];
  if (number !== undefined) return number;
  throw new InvalidArgumentError(
    `Cannot handle signal ${JSON.stringify(name)}: simulated processes handle ${Object.keys(numbers).join(", ")}`,
  );
}
