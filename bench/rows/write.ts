import { open, rm, stat } from "node:fs/promises";
import type { Bench, Ran } from "../bench.js";
import { type BlobFile, blobFile, forget, storedAt, withLease } from "../blobs.js";
import { interleaved, type Measured } from "../measured.js";
import { atLeast, type Row } from "../row.js";

const STREAM = "write 1 GiB with commit";
const TUNED = "write 1 GiB with commit, 4 × 1 MiB in flight";
const UNTOLD = "write 1 GiB with commit, digest not known before";
const PROCESS = "write 1 GiB with commit, whole process";
const GO = "Go WriteBlob from a file";
const GO_TUNED = "Go, tuned by hand";
const CTR = "ctr content ingest";

/** A large file, stored as a blob. */
export const write: Row = {
  name: "write",
  lines: [
    { what: STREAM, unit: "MB/s", peer: GO, goal: atLeast(2.5) },
    { what: PROCESS, unit: "MB/s", peer: CTR, goal: atLeast(2.5) },
    { what: TUNED, unit: "MB/s", peer: GO_TUNED, goal: atLeast(0.9) },
    { what: UNTOLD, unit: "MB/s", peer: GO },
  ],
  async run(bench) {
    const blob = await blobFile(bench, bench.mebibytes(1024, 64));
    const rate = (ms: number | undefined) => blob.size / 1000 / (ms ?? Number.NaN);
    const clocked = (what: string, peer?: string) => (ran: Ran) =>
      bench.figures.add(what, rate(ran.output["ms"]), peer);
    const ours = () =>
      written(bench, blob, (args) => bench.ours("write", [...args, "told"])).then((ran) => {
        for (const what of [STREAM, TUNED]) clocked(what)(ran);
        bench.figures.add(PROCESS, rate(ran.wallMs));
      });
    const untold = () => written(bench, blob, (args) => bench.ours("write", [...args, "untold"])).then(clocked(UNTOLD));
    const go = () =>
      written(bench, blob, (args) => bench.go("write", args)).then((ran) => {
        for (const what of [STREAM, UNTOLD]) clocked(what, GO)(ran);
      });
    const tuned = () => written(bench, blob, (args) => bench.go("write-tuned", args)).then(clocked(TUNED, GO_TUNED));
    const ctr = async () => {
      const { wallMs } = await written(bench, blob, () => ingest(bench, blob));
      bench.figures.add(PROCESS, rate(wallMs), CTR);
    };
    await interleaved(bench.rounds(5), bench.hasGo ? [ours, tuned, go, untold, ctr] : [ours, untold, ctr]);
    await rm(blob.path);
  },
};

/** Has the blob written under a lease, looks whether it is there, and has it forgotten. */
async function written<R extends Measured>(
  bench: Bench,
  { path, digest, size }: BlobFile,
  act: (args: readonly string[]) => Promise<R>,
): Promise<R> {
  let ran: R | undefined;
  await withLease(bench, async ({ id }) => {
    ran = await act([path, digest, String(size), id]);
    const { size: stored } = await stat(storedAt(bench, digest));
    if (stored !== size) throw new Error(`${digest} has ${stored} bytes, expected ${size}`);
  });
  await forget(bench, digest);
  if (ran === undefined) throw new Error("nothing ran");
  return ran;
}

async function ingest(bench: Bench, { path, digest, size }: BlobFile): Promise<Measured> {
  await using file = await open(path);
  const expected = ["--expected-digest", digest, "--expected-size", String(size)];
  return await bench.ctr(["content", "ingest", ...expected, "bench-ctr"], { input: file.fd });
}
