import type { CallOptions } from "../call-options.js";
import { wordsOf } from "./runtime-words.js";

const LEAST_CRIU = 31_100;
const LEAST_CRIU_FOR_PODS = 31_600;

/** How a runtime is asked. */
export interface RuntimeSupportOptions extends CallOptions {
  /** The criu the runtime will use; the one in `PATH` when absent. */
  readonly criu?: string | undefined;
}

/** Whether a runtime can checkpoint and restore, and why. */
export interface RuntimeSupport {
  /** Whether it can. */
  readonly supported: boolean;
  /** What speaks for it, or against it. */
  readonly reason: string;
  /** Whose format its dumps have; `gvisor` is read by gVisor only. Absent when that is not known. */
  readonly format?: "criu" | "gvisor";
  /** Which runtime it is, such as `crun 1.28`; absent when it does not say. */
  readonly runtime?: string;
  /** Which criu it will use, such as `4.2.1`; absent when there is none, or none is needed. */
  readonly criuVersion?: string;
}

/**
 * Tells whether a runtime can checkpoint and restore containers on this machine. The runtime is asked for its commands and what it was
 * built with; of crun it is also found out whether it can load libcriu, which it notices only when it is too late; and criu must be
 * there, recent enough, and content with the kernel as far as this process may ask it. gVisor needs no criu.
 *
 * @param runtime a path, or a name in `PATH`.
 * @example
 * ```ts
 * const { supported, reason } = await runtimeSupportsCheckpointRestore("/usr/bin/crun");
 * ```
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRRuntimeSupportsCheckpointRestore
 */
export function runtimeSupportsCheckpointRestore(
  runtime: string,
  options: RuntimeSupportOptions = {},
): Promise<RuntimeSupport> {
  return supportOf(runtime, options, LEAST_CRIU);
}

/**
 * Tells whether a runtime can restore a container into an existing pod on this machine: it can checkpoint and restore, takes the label
 * the pod's mounts have (`--lsm-mount-context`), and criu is 3.16 or later. gVisor cannot.
 *
 * @param runtime a path, or a name in `PATH`.
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRRuntimeSupportsPodCheckpointRestore
 */
export async function runtimeSupportsPodCheckpointRestore(
  runtime: string,
  options: RuntimeSupportOptions = {},
): Promise<RuntimeSupport> {
  const support = await supportOf(runtime, options, LEAST_CRIU_FOR_PODS);
  if (!support.supported) return support;
  const { text } = await wordsOf(runtime, ["restore", "--lsm-mount-context"], options);
  // runc's words, and crun's.
  if (/flag needs an argument|requires an argument/.test(text)) return support;
  return { ...support, supported: false, reason: "it does not know --lsm-mount-context" };
}

async function supportOf(runtime: string, options: RuntimeSupportOptions, leastCriu: number): Promise<RuntimeSupport> {
  const version = await wordsOf(runtime, ["--version"], options);
  if (version.status !== 0) {
    const said = version.failure ?? version.text.split("\n", 1)[0];
    return { supported: false, reason: `it cannot be run: ${said}` };
  }
  const [, name = "", number = ""] = /^(\S+) version (\S+)/m.exec(version.text) ?? [];
  const known = name === "" ? {} : { runtime: `${name} ${number}` };
  const no = (reason: string): RuntimeSupport => ({ supported: false, reason, ...known });
  if (name === "runsc") return gvisorSupport(runtime, options, leastCriu, known);
  const help = await wordsOf(runtime, ["checkpoint", "--help"], options);
  if (help.status !== 0 || !help.text.includes("--image-path")) return no("it has no command checkpoint");
  const why = name === "crun" ? await whyNotCrun(runtime, version.text, options) : undefined;
  if (why !== undefined) return no(why);
  const features = await wordsOf(runtime, ["features"], options);
  if (/"org\.opencontainers\.runc\.checkpoint\.enabled": *"false"/.test(features.text)) {
    return no("it says that it was built without checkpoints");
  }
  return { ...(await criuSupport(options, leastCriu)), ...known, format: "criu" };
}

/** The loader itself is asked for the library that crun will ask it for; it only complains where that is not found. */
async function whyNotCrun(runtime: string, version: string, options: CallOptions): Promise<string | undefined> {
  if (!version.includes("+CRIU")) return "it was built without criu";
  const { text } = await wordsOf(runtime, ["--version"], options, { LD_PRELOAD: "libcriu.so.2" });
  return text.includes("libcriu.so.2") ? "it cannot load libcriu.so.2" : undefined;
}

async function gvisorSupport(
  runtime: string,
  options: CallOptions,
  leastCriu: number,
  known: Pick<RuntimeSupport, "runtime">,
): Promise<RuntimeSupport> {
  if (leastCriu === LEAST_CRIU_FOR_PODS) {
    return { supported: false, reason: "gVisor cannot restore into an existing pod", ...known };
  }
  const { text } = await wordsOf(runtime, ["help", "checkpoint"], options);
  if (!text.includes("image-path")) return { supported: false, reason: "it has no command checkpoint", ...known };
  return { supported: true, reason: "gVisor makes dumps of its own", ...known, format: "gvisor" };
}

async function criuSupport(
  { criu = "criu", ...options }: RuntimeSupportOptions,
  least: number,
): Promise<Pick<RuntimeSupport, "supported" | "reason" | "criuVersion">> {
  const { text, failure } = await wordsOf(criu, ["--version"], options);
  if (failure !== undefined) return { supported: false, reason: `criu cannot be run: ${failure}` };
  const [, criuVersion = "", major = "0", minor = "0", patch = "0"] =
    /^Version: ((\d+)\.(\d+)(?:\.(\d+))?)/m.exec(text) ?? [];
  const number = Number(major) * 10_000 + Number(minor) * 100 + Number(patch);
  const no = (reason: string) => ({ supported: false, reason, ...(criuVersion === "" ? {} : { criuVersion }) });
  if (number < least) {
    const needed = `${Math.floor(least / 10_000)}.${Math.floor(least / 100) % 100}`;
    return no(`criu is ${criuVersion || "of no known version"}, at least ${needed} is needed`);
  }
  if (process.getuid?.() !== 0) {
    return {
      supported: true,
      reason: `criu ${criuVersion} is there; only root can ask it about the kernel`,
      criuVersion,
    };
  }
  const check = await wordsOf(criu, ["check"], options);
  if (check.status === 0)
    return { supported: true, reason: `criu ${criuVersion} can work on this kernel`, criuVersion };
  const [line = check.failure ?? "it does not say why"] = check.text.split("\n").filter((one) => /Error/.test(one));
  return no(`criu ${criuVersion} cannot work on this kernel: ${line.trim()}`);
}
