import { spawn } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { prepareArchiveTools } from "../lab/archive-tools.js";
import { repositoryRoot } from "../lab/repository.js";
import { readTar, writeTar } from "../src/tar/tar.js";
import { measured } from "./measured.js";
import { Table } from "./statistics.js";

const MIB = 1024 * 1024;
const OURS = "containerd-client, its process";

/** A real archive, with so much memory more. */
async function* archive(megabytes: number): AsyncGenerator<Uint8Array> {
  const real = gunzipSync(await readFile(join(repositoryRoot(), "test/fixtures/archives/crio.tar.gz")));
  const megabyte = Buffer.alloc(MIB, "what a process has in its memory\n");
  async function* members() {
    for await (const entry of readTar(once(real))) yield { ...entry, body: () => entry.body };
    const body = async function* () {
      for (let written = 0; written < megabytes; written += 1) yield megabyte;
    };
    yield { name: "checkpoint/pages-9.img", size: megabytes * MIB, body };
  }
  yield* writeTar(members());
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { quick: { type: "boolean" }, rounds: { type: "string" } } });
  const rounds = Number(values.rounds ?? 5);
  const { checkpointctl } = await prepareArchiveTools((line) => process.stderr.write(`${line}\n`));
  const program = fileURLToPath(new URL("inspect-archive.js", import.meta.url));
  const directory = await mkdtemp(join(tmpdir(), "bench-archives-"));
  const table = new Table("checkpointctl");
  try {
    for (const megabytes of values.quick === true ? [1, 64] : [1, 256, 1024]) {
      const path = join(directory, `${megabytes}.tar`);
      await pipeline(archive(megabytes), createWriteStream(path));
      // It is in the page cache then, for everybody.
      for await (const _ of createReadStream(path)) void _;
      const ways: readonly (readonly [string, string, readonly string[]])[] = [
        [OURS, process.execPath, [program, path]],
        ["checkpointctl", checkpointctl, ["inspect", "--all", "--format", "json", path]],
        ["tar", "tar", ["-tf", path]],
      ];
      for (let round = 0; round < rounds; round += 1) {
        for (const [who, command, args] of ways) {
          const { ms, peakMiB } = await measured(() =>
            spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] }),
          );
          table.add(`inspect, ${megabytes} MiB: wall ms`, who, ms);
          table.add(`inspect, ${megabytes} MiB: peak MiB`, who, peakMiB);
        }
      }
      await rm(path);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  process.stdout.write(`${table.text()}\n`);
}

await main();
