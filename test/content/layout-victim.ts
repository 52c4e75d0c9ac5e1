import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import { isAlreadyExists, isUnavailable } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import { MEDIA_TYPE_LAYER } from "../../src/oci/media-types.js";

// layout-victim.js DIRECTORY NAME REFS [ROUNDS]: makes a layout, or opens it, and writes to it for so many rounds or until it is
// killed. It says what was done: from then on that must be there. Who is given the same REFS writes to the same ingests.

/** Bytes that follow from a name. */
export function bytesNamed(name: string): Buffer {
  const seed = createHash("sha512").update(name).digest();
  return Buffer.alloc(seed.readUInt32LE(0) % 200_000, seed);
}

function say(...words: readonly string[]): void {
  // Not through a stream, which would keep it for later.
  writeSync(1, `${words.join(" ")}\n`);
}

async function write(layout: LayoutStore, ref: string, label: string): Promise<void> {
  const bytes = bytesNamed(ref);
  const about = { size: bytes.length, expected: digestOf(bytes) };
  try {
    await using writer = await layout.writer(ref, about);
    for (let at = writer.offset; at < bytes.length; at += 30_000) await writer.write(bytes.subarray(at, at + 30_000));
    await writer.commit({ labels: { [label]: "commit" } });
  } catch (reason) {
    if (isUnavailable(reason)) return say("locked", ref);
    if (!isAlreadyExists(reason)) throw reason;
    await layout.update(about.expected, { [label]: "update" });
  }
  say("blob", about.expected, label);
  await layout.index.tag(label, { mediaType: MEDIA_TYPE_LAYER, digest: about.expected, size: bytes.length });
  say("tag", about.expected, label);
}

async function drop(layout: LayoutStore, ref: string): Promise<void> {
  {
    await using writer = await layout.writer(ref);
    await writer.write(bytesNamed(ref));
  }
  await layout.abort(ref);
}

async function main([directory = "", me = "", refs = "", rounds = "1000000"]: readonly string[]): Promise<void> {
  say("ready");
  const layout = await LayoutStore.open(directory, { create: true });
  say("open");
  for (let round = 0; round < Number(rounds); round++) {
    await write(layout, `${refs}-${round}`, `${me}-${round}`);
    if (round % 5 === 0) await drop(layout, `${me}-${round}-dropped`);
  }
  say("done");
}

if (process.argv[1]?.endsWith("layout-victim.js") === true) await main(process.argv.slice(2));
