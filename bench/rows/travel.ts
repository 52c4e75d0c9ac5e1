import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "../bench.js";
import { discard, startKeeper } from "../containers.js";
import { interleaved } from "../measured.js";
import { atLeast, type Row } from "../row.js";

const EXPORT = "export a checkpoint of 512 MiB, whole process";
const EXPORT_FILE = "export a checkpoint of 512 MiB to a file that is on the disk, whole process";
const IMPORT = "import a checkpoint of 512 MiB, whole process";
const CTR_EXPORT = "ctr images export";
const CTR_IMPORT = "ctr images import";
const REF = "docker.io/library/travel:1";

/** A checkpoint on its way into an archive and back. */
export const travel: Row = {
  name: "travel",
  lines: [
    { what: EXPORT, unit: "MB/s", peer: CTR_EXPORT, goal: atLeast(1) },
    { what: EXPORT_FILE, unit: "MB/s", peer: CTR_EXPORT },
    { what: IMPORT, unit: "MB/s", peer: CTR_IMPORT, goal: atLeast(1) },
  ],
  async run(bench) {
    const container = await startKeeper(bench, "travel", bench.mebibytes(512, 32));
    const { target } = await container.checkpoint(REF);
    await discard(container);
    const size = await sizeOf(bench);
    const archive = join(bench.directory, "travel.tar");
    const exported = async (act: () => Promise<{ wallMs: number }>, what: readonly string[], peer?: string) => {
      await rm(archive, { force: true });
      const { wallMs } = await act();
      if ((await stat(archive)).size < size) throw new Error(`${peer ?? "ours"} exported less than ${size} bytes`);
      for (const one of what) bench.figures.add(one, size / 1000 / wallMs, peer);
    };
    await interleaved(bench.rounds(5), [
      () => exported(() => bench.ours("export", [REF, archive, "file"]), [EXPORT_FILE]),
      () => exported(() => bench.ours("export", [REF, archive, "stream"]), [EXPORT]),
      () =>
        exported(
          () => bench.ctr(["images", "export", "--skip-manifest-json", archive, REF]),
          [EXPORT, EXPORT_FILE],
          CTR_EXPORT,
        ),
    ]);
    // What is imported is what ctr has exported last: so both are whole, archive and reader.
    const imported = async (act: () => Promise<{ wallMs: number }>, peer?: string) => {
      await bench.client.images.delete(REF, { sync: true });
      const { wallMs } = await act();
      const found = await bench.client.images.get(REF);
      if (found.target.digest !== target.digest || (await sizeOf(bench)) !== size) {
        throw new Error(`${peer ?? "ours"} imported ${found.target.digest}, not all of ${target.digest}`);
      }
      bench.figures.add(IMPORT, size / 1000 / wallMs, peer);
    };
    await interleaved(bench.rounds(5), [
      () => imported(() => bench.ours("import", [archive])),
      () => imported(() => bench.ctr(["images", "import", "--no-unpack", archive]), CTR_IMPORT),
    ]);
    await bench.client.images.delete(REF, { sync: true });
    await rm(archive);
  },
};

/** What is there of the checkpoint, all of which must be. */
async function sizeOf({ client }: Bench): Promise<number> {
  const image = await client.images.get(REF);
  let size = 0;
  for await (const { descriptor } of image.walk()) size += (await client.content.info(descriptor.digest)).size;
  return size;
}
