import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { inspectArchive } from "containerd-client/checkpoint";
import { discard, startHolder } from "../containers.js";
import { interleaved } from "../measured.js";
import type { Row } from "../row.js";

const WRITE = "write a checkpoint of 1 GiB as an archive for Podman, whole process";
const GROWTH = "RSS growth, writing that archive";
const TAR = "tar -c of the same files";
const REF = "docker.io/library/archived:1";
const ID = "archived";

/** Archives of checkpoints, written. */
export const archiveWrite: Row = {
  name: "archive-write",
  lines: [
    { what: WRITE, unit: "MB/s", peer: TAR },
    { what: GROWTH, unit: "MiB" },
  ],
  async run(bench) {
    const mebibytes = bench.mebibytes(1024, 64);
    const container = await startHolder(bench, ID, mebibytes);
    await container.checkpoint(REF);
    await discard(container);
    const [archive, tarred, files] = ["archive.tar", "tar.tar", "archive"].map((name) => join(bench.directory, name));
    if (archive === undefined || tarred === undefined || files === undefined) throw new Error("no paths");
    const write = () => bench.ours("write-archive", [REF, archive]);
    await write();
    const { size } = await stat(archive);
    const { processes } = await inspectArchive(() => createReadStream(archive));
    if (processes.length === 0 || size < mebibytes * 1024 * 1024) throw new Error(`${archive} is not the checkpoint`);
    await bench.run("sh", ["-c", 'mkdir "$1" && tar -C "$1" -xf "$0"', archive, files]);
    await interleaved(bench.rounds(3), [
      async () => {
        await rm(archive);
        const { wallMs, output } = await write();
        bench.figures.add(WRITE, size / 1000 / wallMs);
        bench.figures.add(GROWTH, output["grownMiB"] ?? Number.NaN);
      },
      async () => {
        await rm(tarred, { force: true });
        // Ours is on the disk when it is there.
        const { wallMs } = await bench.run("sh", ["-c", 'tar -C "$1" -cf "$0" . && sync "$0"', tarred, files]);
        bench.figures.add(WRITE, size / 1000 / wallMs, TAR);
      },
    ]);
    for (const path of [archive, tarred, files]) await rm(path, { recursive: true });
    await bench.client.images.delete(REF, { sync: true });
  },
};
