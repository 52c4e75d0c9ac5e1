import { InvalidArgumentError } from "../errors.js";
import type { Labels } from "./descriptor.js";
import type { Int64, SpecOption, TerminalSize } from "./runtime-spec.js";
import { processOf } from "./spec-sections.js";

/** Changes to an environment: a value sets the variable, null removes it. */
export type EnvChanges = Readonly<Record<string, string | null>>;

/**
 * Sets the command line.
 *
 * @throws {InvalidArgumentError} when there is none.
 */
export function withArgs(...args: readonly string[]): SpecOption {
  if (args.length === 0) throw new InvalidArgumentError("Cannot set the command line: expected at least one argument");
  return (spec) => {
    processOf(spec).args = [...args];
  };
}

/**
 * Sets, adds and removes variables of the environment; the others stay as and where they are.
 *
 * @throws {InvalidArgumentError} when a name is empty or holds `=`, or a name or value holds a NUL byte.
 */
export function withEnv(changes: EnvChanges): SpecOption {
  for (const [name, value] of Object.entries(changes)) {
    if (name === "" || /[=\0]/.test(name) || value?.includes("\0") === true) {
      throw new InvalidArgumentError(
        `Cannot set variable ${JSON.stringify(name)}: expected a name without "=" and NUL`,
      );
    }
  }
  return (spec) => {
    const process = processOf(spec);
    process.env = mergeEnv(process.env ?? [], changes);
  };
}

/** Sets where the process runs. */
export function withCwd(cwd: string): SpecOption {
  return (spec) => {
    processOf(spec).cwd = cwd;
  };
}

/** Gives the process a terminal, with `TERM=xterm` unless it has another, or takes it away. */
export function withTerminal(terminal = true, size?: TerminalSize): SpecOption {
  return (spec) => {
    const process = processOf(spec);
    process.terminal = terminal;
    delete process.consoleSize;
    if (!terminal) return;
    if (size !== undefined) process.consoleSize = { height: size.height, width: size.width };
    if (process.env?.some((entry) => entry.startsWith("TERM=")) !== true) {
      process.env = [...(process.env ?? []), "TERM=xterm"];
    }
  };
}

/** Sets one resource limit, such as `RLIMIT_NOFILE`; the process may raise it up to `hard`. */
export function withRlimit(type: string, soft: Int64, hard: Int64 = soft): SpecOption {
  return (spec) => {
    const process = processOf(spec);
    process.rlimits = [...(process.rlimits ?? []).filter((limit) => limit.type !== type), { type, hard, soft }];
  };
}

/** Forbids the process to gain rights by running a program, or allows it. */
export function withNoNewPrivileges(noNewPrivileges = true): SpecOption {
  return (spec) => {
    processOf(spec).noNewPrivileges = noNewPrivileges;
  };
}

/** Sets the container's own host name. */
export function withHostname(hostname: string): SpecOption {
  return (spec) => {
    spec.hostname = hostname;
  };
}

/** Adds annotations; those of the same name are replaced. */
export function withAnnotations(annotations: Labels): SpecOption {
  return (spec) => {
    spec.annotations = { ...spec.annotations, ...annotations };
  };
}

/** The environment after the changes: what changes keeps its place, what is new comes last. */
export function mergeEnv(env: readonly string[], changes: EnvChanges): string[] {
  const merged = new Map(env.map((entry) => [nameOf(entry), entry]));
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) merged.delete(name);
    else merged.set(name, `${name}=${value}`);
  }
  return [...merged.values()];
}

function nameOf(entry: string): string {
  const end = entry.indexOf("=");
  return end === -1 ? entry : entry.slice(0, end);
}
