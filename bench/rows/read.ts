import { open } from "node:fs/promises";
import { withBlob } from "../blobs.js";
import { interleaved } from "../measured.js";
import { atLeast, type Row } from "../row.js";

const STREAM = "read 1 GiB over gRPC, sha256";
const PROCESS = "read 1 GiB over gRPC, sha256, whole process";
const LOCAL = "read 1 GiB, local provider, sha256";
const GO = "Go Read stream + sha256";
const CTR = "ctr content get";

/** A large blob, read and hashed. */
export const read: Row = {
  name: "read",
  lines: [
    { what: STREAM, unit: "MB/s", peer: GO, goal: atLeast(0.9) },
    { what: PROCESS, unit: "MB/s", peer: CTR, goal: atLeast(4) },
    { what: LOCAL, unit: "MB/s", peer: GO, goal: atLeast(1.8) },
  ],
  async run(bench) {
    await withBlob(bench, bench.mebibytes(1024, 64), async ({ digest, size }) => {
      const rate = (ms: number | undefined) => size / 1000 / (ms ?? Number.NaN);
      const check = (bytes: number | undefined) => {
        if (bytes !== size) throw new Error(`read ${bytes} bytes of ${size}`);
      };
      const ours = (how: "wire" | "file", address?: string) =>
        bench.ours("read", [digest, String(size), how], address).then((ran) => {
          check(ran.output["bytes"]);
          return ran;
        });
      const { bytes } = await bench.count((address) => ours("file", address));
      if (bytes > size / 10) throw new Error(`the local provider had ${bytes} bytes from the daemon`);
      await using nowhere = await open("/dev/null", "w");
      const ways = [
        async () => {
          const { output, wallMs } = await ours("wire");
          bench.figures.add(STREAM, rate(output["ms"]));
          bench.figures.add(PROCESS, rate(wallMs));
        },
        async () => bench.figures.add(LOCAL, rate((await ours("file")).output["ms"])),
        async () => {
          const { wallMs } = await bench.ctr(["content", "get", digest], { output: nowhere.fd });
          bench.figures.add(PROCESS, rate(wallMs), CTR);
        },
      ];
      const go = async () => {
        const { output } = await bench.go("read", [digest]);
        check(output["bytes"]);
        for (const what of [STREAM, LOCAL]) bench.figures.add(what, rate(output["ms"]), GO);
      };
      await interleaved(bench.rounds(5), bench.hasGo ? [...ways, go] : ways);
    });
  },
};
