import { parseArgs } from "node:util";
import type { Client } from "../client/client.js";
import type { RecoveredOperation } from "../client/recovery/recover.js";
import type { SweepResult } from "../client/recovery/sweep.js";
import { InvalidArgumentError, isContainerdError } from "../errors.js";

const USAGE = `Usage: containerd-client <command> [options]

  recover   resume the tasks that checkpoints had paused whose process is gone
  sweep     recover, and remove what such checkpoints and restores left

  -a, --address <address>      default: $CONTAINERD_ADDRESS, else /run/containerd/containerd.sock
  -n, --namespace <namespace>  default: $CONTAINERD_NAMESPACE, else default
  -A, --all-namespaces         in every namespace of the daemon
      --dry-run                only say what would be done
      --json                   say it as JSON
  -h, --help                   this text

Exits with 1 when something could not be done, and tells it; everything else is done all the same.
`;

const options = {
  address: { type: "string", short: "a" },
  namespace: { type: "string", short: "n" },
  "all-namespaces": { type: "boolean", short: "A" },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** What a command came to. */
interface CommandResult {
  readonly output: string;
  /** Whether everything was done. */
  readonly done: boolean;
}

/** Does what a command line asks, and resolves to what there is to print. */
export async function runCommand(args: readonly string[], env: NodeJS.ProcessEnv): Promise<CommandResult> {
  const { values, command } = parse(args);
  if (values.help === true) return { output: USAGE, done: true };
  if (command !== "recover" && command !== "sweep") {
    throw new InvalidArgumentError(`Expected recover or sweep, got ${JSON.stringify(command ?? "")}\n\n${USAGE}`);
  }
  const { address, namespace } = values;
  const dryRun = values["dry-run"] === true;
  const { connect, fromEnv } = await import("../client/connect.js");
  const client = await connect({
    ...fromEnv(env),
    ...(address === undefined ? {} : { address }),
    ...(namespace === undefined ? {} : { namespace }),
  });
  try {
    const reports: Report[] = [];
    for (const one of values["all-namespaces"] === true ? await everyNamespace(client) : [client]) {
      reports.push(await reportOn(one, command, dryRun));
    }
    const output =
      values.json === true
        ? `${JSON.stringify(reports, (_, value: unknown) => (value instanceof Error ? inJson(value) : value), 2)}\n`
        : reports.map((report) => inWords(report, dryRun)).join("");
    return { output, done: reports.every(isDone) };
  } finally {
    await client.close();
  }
}

interface Report extends Partial<SweepResult> {
  readonly namespace: string;
  readonly operations: readonly RecoveredOperation[];
  /** Why nothing more could be done in the namespace. */
  readonly error?: Error | undefined;
}

/** What fails in one namespace keeps nobody from the next. */
async function reportOn(client: Client, command: "recover" | "sweep", dryRun: boolean): Promise<Report> {
  const { namespace } = client;
  try {
    if (command === "recover") return { namespace, operations: await client.recover({ dryRun }) };
    return { namespace, ...(await client.sweep({ dryRun })) };
  } catch (reason) {
    return { namespace, operations: [], error: reason instanceof Error ? reason : new Error(String(reason)) };
  }
}

function isDone({ operations, error }: Report): boolean {
  return error === undefined && operations.every((one) => one.error === undefined && one.pause !== "split");
}

function inJson(error: Error): object {
  const { message } = error;
  return isContainerdError(error) ? { code: error.code, message, hint: error.hint } : { message };
}

function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (positionals.length > 1) throw new Error(`Unexpected argument ${JSON.stringify(positionals[1])}`);
    return { values, command: positionals[0] };
  } catch (reason) {
    const message = reason instanceof Error ? reason.message : String(reason);
    throw new InvalidArgumentError(`${message}\n\n${USAGE}`, { cause: reason });
  }
}

async function everyNamespace(client: Client): Promise<Client[]> {
  const clients: Client[] = [];
  for await (const { name } of client.namespaces.list()) clients.push(client.inNamespace(name));
  return clients;
}

const words: { readonly [P in RecoveredOperation["pause"]]: string } = {
  nothing: "it had paused nothing",
  resumed: "the task runs again",
  healed: "the task was of two minds, and runs again",
  ran: "the task runs",
  gone: "the task has ended",
  split: "daemon and kernel are of two minds about the task: run this on the daemon's machine",
  paused: "the task would be resumed",
  busy: "somebody else is recovering it",
  failed: "it could not be recovered",
};

function inWords({ namespace, operations, removed, kept, onHost, error }: Report, dryRun: boolean): string {
  const lines = operations.map(({ kind, containerId, id, pause, error: why }) => {
    const what = containerId === "" ? kind : `${kind} of container ${containerId}`;
    return `${what} (${id}): ${words[pause]}${why === undefined ? "" : `: ${why.message}`}`;
  });
  lines.push(...(removed ?? []).map((one) => `${dryRun ? "would be removed" : "removed"}: ${one}`));
  lines.push(...(kept ?? []).map((one) => `kept: ${one}`));
  lines.push(...(onHost ?? []).map((one) => `to be removed on the daemon's machine: ${one}`));
  if (error !== undefined) lines.push(error.message);
  if (lines.length === 0) lines.push("nothing to do");
  return lines.map((line) => `${namespace}: ${line}\n`).join("");
}
