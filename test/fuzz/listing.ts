import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { archiveEntries } from "../../src/checkpoint/archive/entries.js";
import { limitsOf } from "../../src/checkpoint/archive/limits.js";
import { isContainerdError } from "../../src/errors.js";
import type { TarEntryType } from "../../src/tar/member.js";
import { archives, seeds } from "./archives.js";
import { generated } from "./generate.js";

/** What three readers made of many archives. */
export interface Comparison {
  archives: number;
  /** How many of them we took. */
  accepted: number;
  /** Members that all three saw alike. */
  members: number;
  /** Archives in which another reader sees something else; the first few. */
  readonly differences: string[];
}

const run = promisify(execFile);
const ENVIRONMENT = { PATH: process.env["PATH"], LC_ALL: "C.UTF-8", TZ: "UTC" };
const MOST_DIFFERENCES = 5;
const letters: { readonly [T in TarEntryType]: string } = {
  file: "-",
  "contiguous-file": "-",
  directory: "d",
  link: "h",
  symlink: "l",
  fifo: "p",
  "block-device": "b",
  "character-device": "c",
};

/** Compares what we see in generated archives with what GNU tar and bsdtar see. */
export async function compareListings(bsdtar: string, path: string, seed: number, count: number): Promise<Comparison> {
  const comparison: Comparison = { archives: 0, accepted: 0, members: 0, differences: [] };
  try {
    for (const archive of generated(seed, archives(await seeds()))) {
      if (comparison.archives >= count) break;
      comparison.archives += 1;
      const ours = await ourListing(archive);
      if (ours === undefined) continue;
      await writeFile(path, archive);
      const [gnu, bsd] = await Promise.all([gnuListing(path), bsdListing(bsdtar, path)]);
      comparison.accepted += 1;
      comparison.members += ours.length;
      const [left, first, second] = [ours, gnu, bsd].map((lines) => lines.join("\n"));
      if ((left !== first || left !== second) && comparison.differences.length < MOST_DIFFERENCES) {
        const text = `ours:\n${left}\nGNU tar:\n${first}\nbsdtar:\n${second}\n${archive.toString("base64")}`;
        comparison.differences.push(text);
      }
    }
  } finally {
    await rm(path, { force: true });
  }
  return comparison;
}

/** Kind, size and name of each member; undefined when we refuse. */
async function ourListing(archive: Buffer): Promise<readonly string[] | undefined> {
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield archive;
  }
  const lines: string[] = [];
  try {
    for await (const { type, size, name } of archiveEntries(whole(), limitsOf({}))) {
      lines.push(`${letters[type]} ${size} ${name}`);
    }
    return lines;
  } catch (reason) {
    if (isContainerdError(reason)) return undefined;
    throw reason;
  }
}

async function gnuListing(path: string): Promise<readonly string[]> {
  const output = await said("tar", ["--absolute-names", "--quoting-style=literal", "-tvf", path]);
  return parsed(output, /^(.)\S+ +\S+ +(\d+|\d+,\d+) \S+ \S+ (.*?)(?: (?:->|link to) .*)?$/);
}

async function bsdListing(bsdtar: string, path: string): Promise<readonly string[]> {
  const output = await said(bsdtar, ["-tvf", path]);
  return parsed(output, /^(.)\S+ +\d+ +\S+ +\S+ +(\d+|\d+,\d+) +\S+ +\d+ +\S+ (.*?)(?: (?:->|link to) .*)?$/).map(
    unescaped,
  );
}

const escapes: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, "\\": 92 };

/** bsdtar writes what it takes for unprintable as C does. */
function unescaped(line: string): string {
  const bytes = Buffer.from(line);
  const plain: number[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    const [, octal, letter = ""] = /^\\(?:([0-7]{3})|(.))/.exec(bytes.toString("latin1", at, at + 4)) ?? [];
    if (octal !== undefined) plain.push(Number.parseInt(octal, 8));
    else plain.push(escapes[letter] ?? bytes[at] ?? 0);
    if (octal !== undefined) at += 3;
    else if (escapes[letter] !== undefined) at += 1;
  }
  return Buffer.from(plain).toString();
}

async function said(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(program, args, { env: ENVIRONMENT, maxBuffer: 2 ** 26 })).stdout;
  } catch (reason) {
    return `${program} fails: ${reason instanceof Error ? reason.message : String(reason)}`;
  }
}

function parsed(output: string, line: RegExp): readonly string[] {
  const lines = output.split("\n").filter((text) => text !== "");
  return lines.map((text) => {
    const [, letter = "", size = "", name = ""] = line.exec(text) ?? [];
    const isDevice = size.includes(",");
    return name === "" ? text : `${letter} ${isDevice ? 0 : size} ${name}`;
  });
}
