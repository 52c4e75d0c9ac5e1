/** Proves our description of the wire against the one inside a containerd binary. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import * as api from "../../src/api/index.js";
import { type Comparison, compareFacts } from "./compare.js";
import { extractDescriptors } from "./extract.js";
import { isKnownIn, knownIn, movedTypes } from "./known-in.js";
import { type WireFacts, wireFacts } from "./wire-facts.js";

/** The outcome for one daemon. */
export interface Verdict extends Comparison {
  /** Release of the daemon, such as `1.7.24`. */
  readonly version: string;
}

/** Collects the file descriptors that the generated code holds. */
export function generatedFiles(): FileDescriptorProto[] {
  return Object.values(api).flatMap((module) =>
    Object.values(module).flatMap((value: { kind?: string; proto?: unknown }) =>
      value.kind === "file" ? [value.proto as FileDescriptorProto] : [],
    ),
  );
}

/** Compares the generated code with the descriptors in a containerd binary, and asks that binary for its release. */
export async function verifyBinary(path: string): Promise<Verdict> {
  const { stdout } = await promisify(execFile)(path, ["--version"]);
  const version = /\b(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined)
    throw new Error(`Cannot read a version from ${path}: it printed ${JSON.stringify(stdout)}`);
  const theirs = wireFacts(extractDescriptors(await readFile(path)), movedTypes);
  return { version, ...judge(wireFacts(generatedFiles()), theirs, version) };
}

/** Compares, and counts as a defect also what only ours has although the daemon's release should know it. */
export function judge(ours: WireFacts, theirs: WireFacts, version: string): Comparison {
  const found = compareFacts(ours, theirs);
  const unexplained = found.onlyOurs.filter((name) => isKnownIn(version, knownIn.get(name)));
  const defects = unexplained.map((name) => `${name}: only ours has it, but containerd ${version} should know it`);
  return { ...found, defects: [...found.defects, ...defects] };
}
