import assert from "node:assert/strict";
import { mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { copyAcross } from "../../src/client/named-checkpoints/file-copy.js";

const OTHER_DISK = "/dev/shm";
// Where it comes from it is a hole.
const LARGE_BYTES = 8 * 1024 ** 3;

async function whyNot(): Promise<string | false> {
  const [here, there] = await Promise.all([stat(tmpdir()), stat(OTHER_DISK).catch(() => undefined)]);
  return there === undefined || there.dev === here.dev ? `${OTHER_DISK} is no other disk` : false;
}

describe("copies to another disk", { skip: await whyNot() }, () => {
  let from = "";
  let to = "";
  before(async () => {
    from = await mkdtemp(join(OTHER_DISK, "copy-"));
    to = await mkdtemp(join(tmpdir(), "copy-"));
  });
  after(async () => {
    for (const directory of [from, to]) await rm(directory, { recursive: true });
  });

  it("have all bytes, and are their owner's alone", async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => at % 251));
    await writeFile(join(from, "small"), bytes);
    await copyAcross(join(from, "small"), join(to, "small"), undefined);
    assert.ok(bytes.equals(await readFile(join(to, "small"))));
    assert.equal((await stat(join(to, "small"))).mode & 0o777, 0o600);
  });

  it("end in the middle of a file when they are called off", async () => {
    const source = await open(join(from, "large"), "wx");
    await source.truncate(LARGE_BYTES);
    await source.close();
    const stop = new AbortController();
    const copied = copyAcross(join(from, "large"), join(to, "large"), stop.signal);
    copied.catch(() => {});
    const size = async () => (await stat(join(to, "large")).catch(() => undefined))?.size ?? 0;
    while ((await size()) === 0) await sleep(1);
    stop.abort();
    await assert.rejects(copied, { name: "AbortError" });
    assert.ok((await size()) < LARGE_BYTES);
  });
});
