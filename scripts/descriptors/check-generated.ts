/** Fails when the committed code is not what the files in `proto/` generate. Writes only to a temporary folder. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const COMMITTED = join("src", "api");
const scratch = mkdtempSync(join(tmpdir(), "containerd-client-generated-"));
try {
  execFileSync(join("node_modules", ".bin", "buf"), ["generate", "--output", scratch], { stdio: "inherit" });
  const fresh = join(scratch, COMMITTED);
  const names = [...new Set([...generatedIn(fresh), ...generatedIn(COMMITTED)])].sort();
  const stale = names.flatMap((name) => {
    if (!existsSync(join(COMMITTED, name))) return [`${name} is missing`];
    if (!existsSync(join(fresh, name))) return [`${name} comes from no file in proto/`];
    const same = readFileSync(join(COMMITTED, name)).equals(readFileSync(join(fresh, name)));
    return same ? [] : [`${name} differs`];
  });
  for (const reason of stale) console.error(`${COMMITTED}: ${reason}`);
  if (stale.length > 0) {
    console.error("The generated code is out of date: run `npm run generate` and commit the result.");
    process.exitCode = 1;
  } else {
    console.log(`${names.length} generated files are up to date.`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function generatedIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("_pb.ts"));
}
