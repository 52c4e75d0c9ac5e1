import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { repositoryRoot } from "../../lab/repository.js";

/** Where an example finds its daemon. */
export interface Whereabouts {
  readonly address: string;
  readonly namespace: string;
}

/** What an example printed before it ended. */
export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

/** How an example is run, and how it must end. */
export interface RunOptions {
  readonly args?: readonly string[];
  /** What it reads; its input is left open when absent. */
  readonly input?: string;
  /** The exit code it must end with; 0 when absent. */
  readonly code?: number;
}

/** An example that takes longer hangs. */
const TIMEOUT_MS = 60_000;

/** Runs an example as its reader would: a process of its own that knows no more than the environment says. */
export async function runExample(
  name: string,
  { address, namespace }: Whereabouts,
  { args = [], input, code = 0 }: RunOptions = {},
): Promise<Printed> {
  const child = spawn(process.execPath, [join(repositoryRoot(), ".build", "examples", `${name}.js`), ...args], {
    timeout: TIMEOUT_MS,
    env: { ...process.env, CONTAINERD_ADDRESS: address, CONTAINERD_NAMESPACE: namespace },
  });
  if (input !== undefined) child.stdin.end(input);
  const [stdout, stderr, [ended]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  assert.equal(ended, code, `${name} ended with ${ended}:\n${stdout}${stderr}`);
  return { stdout, stderr };
}
