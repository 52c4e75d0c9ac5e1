import assert from "node:assert/strict";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, describe, it } from "node:test";
import { CheckpointMediaType } from "../../src/checkpoint/media-types.js";
import { exportArchive } from "../../src/content/archive/export.js";
import { importArchive } from "../../src/content/archive/import.js";
import { writeBlob } from "../../src/content/blob.js";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import { Graphs } from "./graphs.js";
import { Peak } from "./peak.js";

const MIB = 1024 * 1024;

describe("archives of large checkpoints", () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "archive-large-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  /** From a layout through a file into another layout; the most memory that took. */
  async function through(mib: number): Promise<number> {
    const from = await LayoutStore.open(join(directory, `from-${mib}`), { create: true });
    const to = await LayoutStore.open(join(directory, `to-${mib}`), { create: true });
    async function* memory(): AsyncGenerator<Uint8Array, void, undefined> {
      for (let at = 0; at < mib; at++) yield Buffer.alloc(MIB, `${at}`);
    }
    const task = await writeBlob(from, memory(), { mediaType: CheckpointMediaType.task });
    const target = await new Graphs(from).index([task]);
    const peak = new Peak();
    const onProgress = () => peak.look();
    const file = join(directory, `${mib}.tar`);
    await pipeline(exportArchive(from, [{ target }], { onProgress }), createWriteStream(file));
    assert.ok((await stat(file)).size > mib * MIB);
    await importArchive(to, createReadStream(file), { onProgress });
    assert.equal((await to.info(task.digest)).size, mib * MIB);
    await rm(file);
    return peak.bytes;
  }

  it("are written and read, four times as much in the same memory", async () => {
    // The first one also pays for what is loaded and compiled along the way.
    await through(16);
    const small = await through(32);
    const large = await through(128);
    // What is held back would show whole; half of it leaves room for a garbage collector that lags behind.
    assert.ok(large - small < (96 / 2) * MIB, `${large - small} bytes more for 96 MiB more`);
  });
});
