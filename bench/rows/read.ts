import { open } from "node:fs/promises";
import { withBlob } from "../blobs.js";
import { interleaved } from "../measured.js";
import { atLeast, type Row } from "../row.js";

const STREAM = "read 1 GiB over gRPC, sha256";
const PROCESS = "read 1 GiB over gRPC, sha256, whole process";
const GO = "Go Read stream + sha256";
const CTR = "ctr content get";

/** A large blob, read over gRPC and hashed. */
export const read: Row = {
  name: "read",
  lines: [
    { what: STREAM, unit: "MB/s", peer: GO, goal: atLeast(0.9) },
    { what: PROCESS, unit: "MB/s", peer: CTR, goal: atLeast(4) },
  ],
  async run(bench) {
    await withBlob(bench, bench.mebibytes(1024, 64), async ({ digest, size }) => {
      const rate = (ms: number) => size / 1000 / ms;
      const check = (bytes: number | undefined) => {
        if (bytes !== size) throw new Error(`read ${bytes} bytes of ${size}`);
      };
      await using nowhere = await open("/dev/null", "w");
      const ours = async () => {
        const { output, wallMs } = await bench.ours("read", [digest, String(size)]);
        check(output["bytes"]);
        bench.figures.add(STREAM, rate(output["ms"] ?? Number.NaN));
        bench.figures.add(PROCESS, rate(wallMs));
      };
      const go = async () => {
        const { output } = await bench.go("read", [digest]);
        check(output["bytes"]);
        bench.figures.add(STREAM, rate(output["ms"] ?? Number.NaN), GO);
      };
      const ctr = async () => {
        const { wallMs } = await bench.ctr(["content", "get", digest], { output: nowhere.fd });
        bench.figures.add(PROCESS, rate(wallMs), CTR);
      };
      await interleaved(bench.rounds(5), bench.hasGo ? [ours, go, ctr] : [ours, ctr]);
    });
  },
};
