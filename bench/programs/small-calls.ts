import type { Digest } from "containerd-client/oci";
import { program } from "../program.js";
import { percentile } from "../statistics.js";

const IN_FLIGHT = 64;

/** DIGEST CALLS: asks for the blob's info, so many times one after the other, and ten times as often 64 at once. */
await program(async (client, [digest, calls]) => {
  const each = Number(calls);
  const ask = () => client.content.info(digest as Digest);
  for (let call = 0; call < each / 5; call += 1) await ask();
  const took: number[] = [];
  for (let call = 0; call < each; call += 1) {
    const startedAt = performance.now();
    await ask();
    took.push((performance.now() - startedAt) * 1000);
  }
  const rounds = Math.floor((each * 10) / IN_FLIGHT);
  const work = async () => {
    for (let call = 0; call < rounds; call += 1) await ask();
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  const seconds = (performance.now() - startedAt) / 1000;
  return { p50Us: percentile(took, 0.5), perSecond: (rounds * IN_FLIGHT) / seconds };
});
