import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./command.js";
import { labDirectory, labScript } from "./repository.js";

/** What is told while something takes long, one line at a time. */
export type Progress = (line: string) => void;

/** A suite of Debian and what is needed of it, with its dependencies. */
export interface Suite {
  readonly name: "bookworm" | "trixie" | "sid";
  /** The folder they are unpacked into. Default: the suite's name. */
  readonly folder?: string;
  readonly packages: readonly string[];
}

const KEYRINGS = ["gpg", "pgp"].map((kind) => `/usr/share/keyrings/debian-archive-keyring.${kind}`);

/** The Debian mirror this machine's apt uses, or the one `LAB_MIRROR` names. */
export async function debianMirror(): Promise<string | undefined> {
  const chosen = process.env["LAB_MIRROR"];
  if (chosen !== undefined && chosen !== "") return chosen;
  // Apt lists what it would download, whichever way its sources are written; nothing is downloaded.
  const { stdout } = await runCommand("apt-get", ["--print-uris", "update"], { allowFailure: true });
  return /^'([^']*\/debian)\/dists\//m.exec(stdout)?.[1];
}

/** The keys Debian's archive is signed with, as the machine has them. */
export function debianKeyring(): string | undefined {
  return KEYRINGS.find((path) => existsSync(path));
}

/** Where a suite's packages are unpacked. */
export function suiteDirectory({ name, folder = name }: Suite): string {
  return join(labDirectory(), "dist", folder);
}

/** Tells whether all that is wanted of a suite is unpacked. */
export function isUnpacked(suite: Suite): boolean {
  const directory = suiteDirectory(suite);
  const stamp = join(directory, ".lab-packages");
  return existsSync(stamp) && readFileSync(stamp, "utf8").trim() === [directory, ...suite.packages].join(" ");
}

/**
 * Downloads and unpacks packages of a suite, or waits until another process did. A run that was killed leaves nothing that
 * is taken for complete.
 */
export async function unpack(suite: Suite, progress: Progress = () => {}): Promise<void> {
  if (isUnpacked(suite)) return;
  const [mirror, keyring] = [await debianMirror(), debianKeyring()];
  if (mirror === undefined)
    throw new Error("Cannot download: apt's sources name no Debian mirror; set LAB_MIRROR to one");
  if (keyring === undefined) throw new Error("Cannot download: install the package debian-archive-keyring");
  const args = [labScript("fetch.sh"), mirror, keyring, suite.name, suiteDirectory(suite), ...suite.packages];
  const { code, stderr } = await runCommand("bash", args, { onLine: progress, allowFailure: true });
  if (code !== 0) throw new Error(`Cannot unpack Debian's ${suite.name} from ${mirror}: ${stderr.split("\n")[0]}`);
}

/** The path of a program in an unpacked suite. */
export function programIn(suite: Suite, program: string): string {
  const directory = suiteDirectory(suite);
  // "lab" holds the copies that were made to run with the suite's own libraries.
  const places = ["lab", "usr/bin", "usr/sbin", "bin", "sbin"].map((place) => join(directory, place, program));
  const found = places.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`There is no ${program} in ${directory}`);
  return found;
}
