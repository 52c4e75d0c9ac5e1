import type { CallOptions } from "../call-options.js";
import type { Provider } from "../content/store.js";
import type { Descriptor } from "../oci/descriptor.js";
import type { CriuOptions } from "./plan.js";
import { listTarMembers } from "./tar-members.js";

/** One thing a dump holds that criu brings back only when it is told to, and how it is told. */
export interface CriuSetting {
  /** What would be lost, in words. */
  readonly what: string;
  /** The line in criu's configuration file. */
  readonly line: string;
}

/** The annotation of a runtime spec that names criu's configuration file. */
export const CRIU_CONFIG_ANNOTATION = "org.criu.config";

/** The label that names the criu configuration file written for a container; the file goes when the container goes. */
export const CRIU_CONFIG_LABEL = "containerd-client.criu-config";

const openTcp: CriuSetting = { what: "established TCP connections", line: "tcp-established" };
const fileLocks: CriuSetting = { what: "file locks", line: "file-locks" };
const externalUnixSockets: CriuSetting = { what: "external unix sockets", line: "ext-unix-sk" };

/**
 * What a dump needs criu to be told at restore. containerd passes none of it on, and most clients ask for file locks
 * whether there are any or not: so it is the dump that is looked at, where it can tell. `asked` is what the checkpoint says
 * criu was asked; some clients do not write it down.
 */
export async function criuSettingsNeeded(
  provider: Provider,
  task: Descriptor,
  asked: CriuOptions | undefined,
  call: CallOptions = {},
): Promise<readonly CriuSetting[]> {
  const needed = new Set<CriuSetting>();
  if (asked?.externalUnixSockets) needed.add(externalUnixSockets);
  if (asked === undefined || asked.openTcp || asked.fileLocks) {
    for await (const { name } of listTarMembers(provider, task, call)) {
      if (name.startsWith("tcp-stream-")) needed.add(openTcp);
      if (name === "filelocks.img") needed.add(fileLocks);
    }
  }
  return [...needed];
}

/** The text of a criu configuration file with these settings. */
export function criuConfigText(settings: readonly CriuSetting[]): string {
  return settings.map(({ line }) => `${line}\n`).join("");
}
