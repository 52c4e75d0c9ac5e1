import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import type { Digest } from "../../src/oci/digest.js";
import { all } from "../suites/content-bed.js";
import { bytesNamed } from "./layout-victim.js";

const PROGRAM = fileURLToPath(new URL("./layout-victim.js", import.meta.url));

/** A process that writes to a layout, and what it says. */
class Victim {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  readonly said: (readonly string[])[] = [];
  readonly #lines: AsyncIterator<string>;
  readonly #reading: Promise<void>;
  #heard: () => void = () => {};

  constructor(...args: readonly string[]) {
    this.#child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    this.#exit = once(this.#child, "exit");
    assert.ok(this.#child.stdout);
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
    this.#reading = this.#read();
  }

  /** Waits until it has said something so many times. */
  async says(word: string, times = 1): Promise<void> {
    while (this.said.filter(([first]) => first === word).length < times) {
      await new Promise<void>((resolve, reject) => {
        this.#heard = resolve;
        void this.#exit.then(() => reject(new Error(`it ended before it said ${word}`)));
      });
    }
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    const [, signal] = await this.#exit;
    assert.equal(signal, "SIGKILL", "it had ended by itself");
    await this.#reading;
  }

  async ends(): Promise<void> {
    assert.deepEqual(await this.#exit, [0, null]);
    await this.#reading;
  }

  async #read(): Promise<void> {
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next()) {
      this.said.push(next.value.split(" "));
      this.#heard();
    }
  }
}

describe("a layout whose writers are killed", () => {
  let base = "";
  before(async () => {
    base = await mkdtemp(join(tmpdir(), "layout-crash-"));
  });
  after(() => rm(base, { recursive: true }));

  /** All that was said to be done is there, all that is there is whole, and every ingest goes on. */
  const assertWhole = async (directory: string, victims: readonly Victim[]): Promise<void> => {
    const layout = await LayoutStore.open(directory);
    for (const [what, digest, label = ""] of victims.flatMap(({ said }) => said)) {
      if (what === "blob") assert.ok(label in (await layout.info(digest as Digest)).labels, `${label} was lost`);
      if (what === "tag") assert.equal((await layout.index.resolve(label)).digest, digest);
    }
    for await (const { digest, size } of layout.list()) await readBlob(layout, { mediaType: "x", digest, size });
    for await (const { target } of layout.index.list()) await readBlob(layout, target);
    for (const { ref, offset, total, expected } of await all(layout.statuses())) {
      if (ref.endsWith("-dropped")) {
        await layout.abort(ref);
        continue;
      }
      const bytes = bytesNamed(ref);
      assert.equal(total, bytes.length);
      await using writer = await layout.writer(ref);
      assert.equal(writer.offset, offset);
      await writer.write(bytes.subarray(offset));
      assert.equal((await writer.commit({ size: total })).digest, expected);
    }
    assert.deepEqual(await all(layout.statuses()), []);
    assert.deepEqual((await readdir(directory)).sort(), [".containerd-client", "blobs", "index.json", "oci-layout"]);
  };

  it("opens and verifies, whenever that was", async () => {
    const directory = join(base, "used");
    for (let round = 0; round < 12; round++) {
      // Both write to the same ingests, so that one of them finds what the other left.
      const victims = ["a", "b"].map((name) => new Victim(directory, `${name}${round}`, `ref${round}`));
      for (const victim of victims) {
        await victim.says("blob", 1 + Math.floor(Math.random() * 8));
        await sleep(Math.random() * 10);
        await victim.kill();
      }
      await assertWhole(directory, victims);
      await writeBlob(await LayoutStore.open(directory), Buffer.from(`next ${round}`), { mediaType: "x" });
      for (const room of ["locks", "temporary"]) {
        assert.deepEqual(
          await readdir(join(directory, ".containerd-client", room)),
          [],
          "of dead processes nothing stays",
        );
      }
    }
  });

  it("is made by the next one when it was only half made", async () => {
    for (let round = 0; round < 12; round++) {
      const directory = join(base, `made${round}`);
      const victim = new Victim(directory, "a", "ref");
      await victim.says("ready");
      await sleep(Math.random() * 12);
      await victim.kill();
      await LayoutStore.open(directory, { create: true });
      await assertWhole(directory, [victim]);
    }
  });

  it("is used by several processes at once, on the same refs and on others", async () => {
    const directory = join(base, "shared");
    const victims = ["a", "b", "c", "d"].map(
      (name) => new Victim(directory, name, name === "d" ? "other" : "ref", "25"),
    );
    await Promise.all(victims.map((victim) => victim.ends()));
    await assertWhole(directory, victims);
    const layout = await LayoutStore.open(directory);
    const tags = victims.flatMap(({ said }) => said.filter(([what]) => what === "tag"));
    assert.equal((await all(layout.index.list())).length, tags.length);
    assert.equal((await all(layout.list())).length, 50);
    const locked = victims.flatMap(({ said }) => said.filter(([what]) => what === "locked"));
    assert.equal(tags.length + locked.length, 100);
  });
});
