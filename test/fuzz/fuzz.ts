import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { repositoryRoot } from "../../lab/repository.js";
import { archives, seeds } from "./archives.js";
import { diffs } from "./diffs.js";
import { generated } from "./generate.js";
import { imports, wholeArchives } from "./imports.js";
import type { Outcome } from "./outcome.js";

/** Who looks at archives: one reads them, one unpacks them, one makes checkpoints of them. */
export type Program = "reader" | "extractor" | "importer";

/** Has a process of its own read, unpack or import generated and mutated archives, so many of them. */
export async function fuzz(program: Program, seed: number, cases: number): Promise<Outcome> {
  // Node.js lets what is dead grow far before it looks: what is measured shall be what is held.
  const args = [
    "--max-semi-space-size=4",
    "--max-old-space-size=56",
    join(repositoryRoot(), `.build/test/fuzz/${program}.js`),
  ];
  const reader = spawn(process.execPath, args, {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const said = text(reader.stdout);
  const exited = once(reader, "exit");
  // What it died of shows in how it exits.
  reader.stdin.on("error", () => {});
  let count = 0;
  for (const archive of generated(seed, await arbitraryOf(program))) {
    if (count >= cases || reader.exitCode !== null) break;
    count += 1;
    const length = Buffer.alloc(4);
    length.writeUInt32LE(archive.length);
    if (!reader.stdin.write(Buffer.concat([length, archive])))
      await Promise.race([once(reader.stdin, "drain"), exited]);
  }
  reader.stdin.end();
  const [code, signal] = (await exited) as [number | null, string | null];
  if (code !== 0) throw new Error(`The reader died of ${signal ?? `exit status ${code}`}, seed ${seed}`);
  return JSON.parse(await said) as Outcome;
}

async function arbitraryOf(program: Program) {
  if (program === "extractor") return diffs;
  return program === "reader" ? archives(await seeds()) : imports(await wholeArchives());
}
