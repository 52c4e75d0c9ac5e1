import type { Program, ProgramPause, Programs, SimulatedProcess } from "./program.js";

const STEP_MS = 20;
const COUNT_MS = 50;

/** What simulated containers can run without anybody's help. */
export const builtinPrograms: Programs = {
  cat,
  counter,
  echo,
  false: exits(1),
  sleep,
  true: exits(0),
};

function exits(status: number): Program {
  return async function* () {
    yield;
    return status;
  };
}

/**
 * Counts in its memory, and tells each number on its output and in `/count`. Its number after a thaw tells whether memory
 * and files are of one instant.
 */
async function* counter(process: SimulatedProcess): AsyncGenerator<ProgramPause, number, void> {
  if (process.memory.length === 0) process.memory = new Uint8Array(8);
  const { memory, rootfs, stdout } = process;
  const count = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  for (;;) {
    const next = count.getBigUint64(0) + 1n;
    count.setBigUint64(0, next);
    const line = new TextEncoder().encode(`${next}\n`);
    await rootfs.writeFile("/count", line);
    yield stdout.write(line);
    yield COUNT_MS;
  }
}

/** Remembers how much of its time is left: what passes while it is frozen in an image does not count. */
async function* sleep(process: SimulatedProcess): AsyncGenerator<ProgramPause, number, void> {
  const given = process.args[1] ?? "";
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[given.at(-1) ?? ""];
  const seconds =
    given === "infinity" ? Number.MAX_SAFE_INTEGER : Number(unit === undefined ? given : given.slice(0, -1));
  if (given === "" || !(seconds >= 0)) {
    yield process.stderr.write(`sleep: invalid number '${given}'\n`);
    return 1;
  }
  if (process.memory.length === 0) {
    process.memory = new Uint8Array(8);
    new DataView(process.memory.buffer).setFloat64(0, seconds * (unit ?? 1) * 1000);
  }
  const left = new DataView(process.memory.buffer, process.memory.byteOffset, process.memory.byteLength);
  for (let ms = left.getFloat64(0); ms > 0; ms = left.getFloat64(0)) {
    const startedAt = performance.now();
    yield Math.min(ms, STEP_MS);
    left.setFloat64(0, ms - (performance.now() - startedAt));
  }
  return 0;
}

async function* echo(process: SimulatedProcess): AsyncGenerator<ProgramPause, void, void> {
  yield process.stdout.write(`${process.args.slice(1).join(" ")}\n`);
}

/** Copies its input, or files of its container. */
async function* cat(process: SimulatedProcess): AsyncGenerator<ProgramPause, number, void> {
  const { args, rootfs, stdin, stdout, stderr } = process;
  let status = 0;
  for (const path of args.length > 1 ? args.slice(1) : ["-"]) {
    if (path !== "-") {
      try {
        yield stdout.write(await rootfs.readFile(path));
      } catch (reason) {
        status = 1;
        yield stderr.write(`cat: ${path}: ${reason instanceof Error ? reason.message : String(reason)}\n`);
      }
      continue;
    }
    for (yield stdin.ready(); ; yield stdin.ready()) {
      const chunk = stdin.read();
      if (chunk === undefined) break;
      yield stdout.write(chunk);
    }
  }
  return status;
}
