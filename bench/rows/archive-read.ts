import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { prepareArchiveTools } from "../../lab/archive-tools.js";
import { writeArchiveFile } from "../archive-file.js";
import { interleaved } from "../measured.js";
import type { Row } from "../row.js";

const INSPECT = "inspect an archive of 1 GiB, whole process";
const INSPECT_PEAK = "inspect an archive of 1 GiB, peak";
const READ = "read every byte of an archive of 1 GiB, whole process";
const CHECKPOINTCTL = "checkpointctl inspect";
const TAR = "tar -xO";
/** Whose checkpoint the archive begins with. */
const CONTAINER = "15f2bff6e70d";

/** Archives of checkpoints, read. */
export const archiveRead: Row = {
  name: "archive-read",
  lines: [
    { what: INSPECT, unit: "ms", peer: CHECKPOINTCTL },
    { what: INSPECT_PEAK, unit: "MiB", peer: CHECKPOINTCTL },
    { what: READ, unit: "MB/s", peer: TAR },
  ],
  async run(bench) {
    const { checkpointctl } = await prepareArchiveTools(bench.progress);
    const path = join(bench.directory, "archive.tar");
    await writeArchiveFile(path, bench.mebibytes(1024, 64));
    const { size } = await stat(path);
    const inspected = async (act: () => ReturnType<typeof bench.run>, peer?: string) => {
      const { wallMs, peakMiB, stdout } = await act();
      if (!stdout.includes(CONTAINER)) throw new Error(`${peer ?? "ours"} did not see the container: ${stdout}`);
      bench.figures.add(INSPECT, wallMs, peer);
      bench.figures.add(INSPECT_PEAK, peakMiB, peer);
    };
    const args = ["inspect", "--all", "--format", "json", path];
    await interleaved(bench.rounds(3), [
      () => inspected(() => bench.run(process.execPath, [bench.script("inspect"), path])),
      () => inspected(() => bench.run(checkpointctl, args), CHECKPOINTCTL),
      async () => {
        const { wallMs, stdout } = await bench.run(process.execPath, [bench.script("read-archive"), path]);
        const { bytes } = JSON.parse(stdout) as { readonly bytes: number };
        if (bytes < size * 0.99 || bytes > size) throw new Error(`read ${bytes} bytes of an archive of ${size}`);
        bench.figures.add(READ, size / 1000 / wallMs);
      },
      async () => {
        // Told that its output is nowhere, tar would read nothing.
        const { wallMs } = await bench.run("sh", ["-c", 'tar -xOf "$0" | cat > /dev/null', path]);
        bench.figures.add(READ, size / 1000 / wallMs, TAR);
      },
    ]);
    await rm(path);
  },
};
