import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { runCommand } from "../../lab/command.js";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import type { Writer } from "../../src/content/store.js";
import {
  isContainerdError,
  isDataLoss,
  isDeadlineExceeded,
  isFailedPrecondition,
  isNotFound,
  isNotImplemented,
  isUnavailable,
} from "../../src/errors.js";
import { type Digest, digestOf } from "../../src/oci/digest.js";
import { all, bytesOf } from "../suites/content-bed.js";

const isWindows = process.platform === "win32";

describe("the files of a layout", () => {
  let base = "";
  let layout: LayoutStore;

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "layout-files-"));
    layout = await LayoutStore.open(join(base, "layout"), { create: true });
  });
  afterEach(() => rm(base, { recursive: true }));

  const pathOf = (digest: Digest) => join(layout.path, "blobs", ...digest.split(":"));
  const written = async (bytes: Uint8Array = randomBytes(100), labels = {}) =>
    writeBlob(layout, bytes, { mediaType: "x", labels });
  const again = () => LayoutStore.open(layout.path);
  const modes = async (path: string): Promise<Set<string>> => {
    const names = await readdir(path, { recursive: true });
    const found = await Promise.all(["", ...names].map((name) => stat(join(path, name))));
    return new Set(found.map((one) => `${one.isDirectory() ? "d" : "f"}${(one.mode & 0o777).toString(8)}`));
  };

  it("are for this user only, unless everybody may read", { skip: isWindows && "Windows has no modes" }, async () => {
    const { digest } = await written(Buffer.from("memory"), { a: "b" });
    await layout.index.tag("x", { mediaType: "x", digest, size: 6 });
    await using _unfinished = await layout.writer("unfinished");
    assert.deepEqual(await modes(layout.path), new Set(["d700", "f600"]));

    const before = process.umask(0o077);
    try {
      const path = join(base, "public");
      const open = await LayoutStore.open(path, { create: true, public: true });
      await writeBlob(open, Buffer.from("known"), { mediaType: "x", labels: { a: "b" } });
      assert.deepEqual(await modes(join(path, "blobs")), new Set(["d755", "f644"]));
      for (const name of ["index.json", "oci-layout"]) assert.equal((await stat(join(path, name))).mode & 0o777, 0o644);
      assert.equal((await stat(path)).mode & 0o777, 0o755);
      assert.deepEqual(await modes(join(path, ".containerd-client")), new Set(["d700", "f600"]));
    } finally {
      process.umask(before);
    }
  });

  it("outlive the store, with labels, times and ingests", async () => {
    const { digest } = await written(Buffer.from("abc"), { a: "b" });
    const bytes = randomBytes(3_000_000);
    const about = { size: bytes.length, expected: digestOf(bytes) };
    {
      await using writer = await layout.writer("long", about);
      await writer.write(bytes.subarray(0, 2_000_000));
    }
    const [info, status] = [await layout.info(digest), await layout.status("long")];
    assert.deepEqual([status.offset, status.total, status.expected], [2_000_000, about.size, about.expected]);
    const next = await again();
    assert.deepEqual(await next.info(digest), info);
    assert.deepEqual(await next.status("long"), status);
    await using writer = await next.writer("long");
    assert.deepEqual([writer.offset, await next.status("long")], [2_000_000, status]);
    await assert.rejects(layout.writer("long"), isUnavailable);
    await writer.write(bytes.subarray(writer.offset));
    assert.equal((await writer.commit()).digest, about.expected);
    assert.equal((await layout.info(about.expected)).size, about.size);
  });

  it("can be another's: nothing is written before something is stored", async () => {
    const path = join(base, "theirs");
    const bytes = Buffer.from("theirs");
    const digest = digestOf(bytes);
    await mkdir(join(path, "blobs", "sha256"), { recursive: true });
    await writeFile(join(path, "oci-layout"), '{"imageLayoutVersion": "1.0.0", "more": true}\n');
    await writeFile(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: null }));
    await writeFile(join(path, "blobs", ...digest.split(":")), bytes);
    await writeFile(join(path, "blobs", "sha256", "umoci-temporary"), "x");
    await writeFile(join(path, "blobs", "stray"), "x");
    const before = await readdir(path, { recursive: true });
    const theirs = await LayoutStore.open(path);
    assert.deepEqual(
      (await all(theirs.list())).map((one) => [one.digest, one.size, one.labels]),
      [[digest, 6, {}]],
    );
    assert.ok(Buffer.from(await readBlob(theirs, { mediaType: "x", digest, size: 6 })).equals(bytes));
    assert.deepEqual([await all(theirs.index.list()), await all(theirs.statuses())], [[], []]);
    await assert.rejects(theirs.status("x"), isNotFound);
    await assert.rejects(theirs.abort("x"), isNotFound);
    await assert.rejects(theirs.update(digest, { long: "x".repeat(5000) }), isContainerdError);
    assert.deepEqual(
      (await readdir(path, { recursive: true })).filter((one) => !one.startsWith(".containerd-client")),
      before,
    );
    await theirs.update(digest, { a: "b" });
    assert.deepEqual((await theirs.info(digest)).labels, { a: "b" });
    assert.deepEqual((await LayoutStore.open(path, { create: true })).path, theirs.path);
  });

  it("are not made among other things, and another version is not taken for this one", async () => {
    await assert.rejects(LayoutStore.open(join(base, "nowhere")), isNotFound);
    await assert.rejects(LayoutStore.open(base), isNotFound);
    await assert.rejects(LayoutStore.open(base, { create: true }), isFailedPrecondition);
    assert.deepEqual(await readdir(base), ["layout"]);
    await writeFile(join(layout.path, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}');
    await assert.rejects(again(), isNotImplemented);
    await writeFile(join(layout.path, "oci-layout"), "no");
    await assert.rejects(again(), isContainerdError);
    await writeFile(join(base, "file"), "");
    await assert.rejects(LayoutStore.open(join(base, "file"), { create: true }), isContainerdError);
  });

  it("are never links, pipes or directories", { skip: isWindows && "Windows has no pipes" }, async () => {
    const secret = join(base, "secret");
    await writeFile(secret, "not yours");
    const digest = digestOf(Buffer.from("not yours"));
    const refused = async (store: LayoutStore) => {
      await assert.rejects(bytesOf(store.read({ digest })), isFailedPrecondition);
      await assert.rejects(store.info(digest), isFailedPrecondition);
      await assert.rejects(store.update(digest, { a: "b" }), isFailedPrecondition);
      await assert.rejects(store.delete(digest), isFailedPrecondition);
      await assert.rejects(writeBlob(store, Buffer.from("not yours"), { mediaType: "x" }), isFailedPrecondition);
    };
    await symlink(secret, pathOf(digest));
    await refused(layout);
    assert.deepEqual(await all(layout.list()), []);
    await rm(pathOf(digest));
    await mkdir(pathOf(digest));
    await refused(layout);
    await rm(pathOf(digest), { recursive: true });
    await runCommand("mkfifo", [pathOf(digest)]);
    await refused(layout);
    await rm(pathOf(digest));

    await rename(join(layout.path, "blobs", "sha256"), join(base, "elsewhere"));
    await symlink(join(base, "elsewhere"), join(layout.path, "blobs", "sha256"));
    await refused(await again());
    await rm(join(layout.path, "blobs"), { recursive: true });
    await symlink(base, join(layout.path, "blobs"));
    await assert.rejects(again(), isFailedPrecondition);
    for (const name of ["oci-layout", "index.json", ".containerd-client"]) {
      const other = await LayoutStore.open(join(base, name), { create: true });
      await rename(join(other.path, name), join(base, `${name}.real`));
      await symlink(join(base, `${name}.real`), join(other.path, name));
      await assert.rejects(
        async () => {
          const store = await LayoutStore.open(other.path);
          await store.index.tag("x", await writeBlob(store, Buffer.from("x"), { mediaType: "x" }));
        },
        isFailedPrecondition,
        name,
      );
    }
    assert.equal(await readFile(secret, "utf8"), "not yours");
  });

  it("may be damaged: that is said, and cured by deleting and writing again", async () => {
    const bytes = randomBytes(2_000_000);
    const { digest, size } = await written(bytes, { a: "b" });
    const target = { mediaType: "x", digest, size };
    await truncate(pathOf(digest), 1_000_000);
    await assert.rejects(async () => {
      for await (const _ of layout.read(target)) assert.fail("the size is known before anything is read");
    }, isDataLoss);
    await assert.rejects(bytesOf(layout.read(target)), isDataLoss);
    await assert.rejects(bytesOf(layout.read({ digest })), isDataLoss);
    await assert.rejects(writeBlob(layout, bytes, { mediaType: "x" }), isDataLoss);
    const writer = await layout.writer("again");
    await writer.write(bytes);
    await assert.rejects(writer.commit(), (reason) => isDataLoss(reason) && reason.hint !== undefined);
    await layout.delete(digest);
    await using second = await layout.writer("again");
    assert.equal((await second.commit()).digest, digest);
    assert.deepEqual((await layout.info(digest)).labels, {}, "labels go with their blob");
    assert.ok(bytes.equals(await readBlob(layout, target)));

    await written(bytes, { a: "b" });
    const [labels = ""] = await readdir(join(layout.path, ".containerd-client", "labels"));
    for (const text of ["", "[]", '{"labels":{"a":1}}', "{"]) {
      await writeFile(join(layout.path, ".containerd-client", "labels", labels), text);
      await assert.rejects(layout.info(digest), isDataLoss, text);
    }
    await layout.delete(digest);
    await written(bytes);
  });

  it("hold digests of other algorithms too", async () => {
    const bytes = randomBytes(1000);
    for (const algorithm of ["sha512", "sha384"] as const) {
      const expected = digestOf(bytes, algorithm);
      await using known = await layout.writer("known", { expected });
      await known.write(bytes);
      await known.commit();
      await layout.delete(expected);
      await using late = await layout.writer("late");
      await late.write(bytes);
      assert.equal((await late.commit({ expected })).digest, expected);
      assert.equal((await bytesOf(layout.read({ digest: expected }))).length, 1000);
    }
    assert.equal((await all(layout.list())).length, 2);
  });

  it("are locked as long as their writer lives, here or in another container", {
    skip: process.platform !== "linux" && "there is no /proc",
  }, async () => {
    const locks = join(layout.path, ".containerd-client", "locks");
    const writer = await layout.writer("ref");
    const [mine = ""] = await readdir(locks);
    await writer[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(locks), []);
    const [key = "", uuid = "", boot = "", namespace = "", , startedAt = ""] = mine.split("_");
    const claim = async (identity: readonly unknown[], ageMs = 0) => {
      const path = join(locks, [key, uuid, ...identity].join("_"));
      await writeFile(path, new Date().toISOString());
      const at = new Date(Date.now() - ageMs);
      await utimes(path, at, at);
      return path;
    };
    const isFree = async () => {
      const found: Writer | undefined = await layout.writer("ref").catch((reason: unknown) => {
        if (isUnavailable(reason)) return undefined;
        throw reason;
      });
      await found?.[Symbol.asyncDispose]();
      return found !== undefined;
    };
    const held = async (path: string) => {
      assert.equal(await isFree(), false, path);
      await rm(path);
    };
    await held(await claim([boot, namespace, process.pid, startedAt]));
    await held(await claim([boot, namespace, process.pid, startedAt], 3_600_000));
    await held(await claim([boot, "1", 7, 7]));
    await held(await claim(["other-boot", namespace, process.pid, startedAt]));
    await claim([boot, namespace, process.pid, `${startedAt}1`]);
    assert.equal(await isFree(), true, "the id was given out again");
    await claim([boot, namespace, 2 ** 22 + 1, startedAt]);
    assert.equal(await isFree(), true, "there is no such process");
    await claim([boot, "1", 7, 7], 60_000);
    assert.equal(await isFree(), true, "nothing is heard from another container");
    await claim(["other-boot", namespace, process.pid, startedAt], 60_000);
    assert.equal(await isFree(), true, "the machine was started again");
    assert.deepEqual(await readdir(locks), []);
  });

  it("leave nothing of ingests that are over, and no halves of what was cut off long ago", async () => {
    const ingests = join(layout.path, ".containerd-client", "ingests");
    await written(randomBytes(10));
    await (await layout.writer("dropped"))[Symbol.asyncDispose]();
    assert.equal((await readdir(ingests)).length, 2);
    await layout.abort("dropped");
    assert.deepEqual(await readdir(ingests), []);
    const long = new Date(Date.now() - 2 * 3_600_000);
    for (const [name, isOld] of [
      ["ref-1.json", true],
      ["ref-2.bytes", true],
      ["ref-3.json", false],
      ["ref-4.bytes", false],
      ["ref-5.json", true],
      ["ref-5.bytes", true],
    ] as const) {
      await writeFile(join(ingests, name), "");
      if (isOld) await utimes(join(ingests, name), long, long);
    }
    assert.deepEqual(await all(layout.statuses()), []);
    await writeBlob(await again(), Buffer.from("next"), { mediaType: "x" });
    assert.deepEqual((await readdir(ingests)).sort(), ["ref-3.json", "ref-4.bytes", "ref-5.bytes", "ref-5.json"]);
  });

  it("stay locked by who cannot be looked for, because he is heard of", async (context) => {
    context.mock.timers.enable({ apis: ["setInterval"] });
    await using _writer = await layout.writer("ref");
    const locks = join(layout.path, ".containerd-client", "locks");
    const [name = ""] = await readdir(locks);
    const long = new Date(Date.now() - 3_600_000);
    await utimes(join(locks, name), long, long);
    context.mock.timers.tick(10_000);
    // The file system answers when it likes.
    for (let looks = 0; (await stat(join(locks, name))).mtimeMs < Date.now() - 60_000; looks++) {
      assert.ok(looks < 10_000, "nothing is heard of him");
    }
  });

  it("are not committed by a writer that lost its lock or its ingest", async () => {
    const bytes = randomBytes(10);
    const locks = join(layout.path, ".containerd-client", "locks");
    const writer = await layout.writer("ref");
    await writer.write(bytes);
    for (const name of await readdir(locks)) await rm(join(locks, name));
    await using other = await (await again()).writer("ref");
    assert.equal(other.offset, 10);
    await assert.rejects(writer.commit(), isUnavailable);
    await layout.abort("ref");
    await assert.rejects(other.commit({ labels: { a: "b" } }), isNotFound);
    assert.deepEqual(await readdir(join(layout.path, ".containerd-client", "labels")), []);
    assert.deepEqual([await all(layout.list()), await all(layout.statuses())], [[], []]);
  });

  it("are not written by a writer that lost its lock, once another has it", {
    skip: isWindows && "Windows renames nothing over a file that is open",
  }, async () => {
    const locks = join(layout.path, ".containerd-client", "locks");
    const lost = await layout.writer("ref");
    await lost.write(Buffer.from("known"));
    // As when nothing was heard of it for long, in another container.
    for (const name of await readdir(locks)) await rm(join(locks, name));
    const next = await (await again()).writer("ref");
    assert.equal(next.offset, 5);
    await lost.write(Buffer.from("wrong"));
    await next.write(Buffer.from("right"));
    await lost.write(Buffer.from("wrong"));
    await lost.truncate(0);
    const { digest, size } = await next.commit();
    assert.equal(size, 10);
    assert.equal(Buffer.from(await bytesOf(layout.read({ digest }))).toString(), "knownright");
    await assert.rejects(lost.commit(), isUnavailable);
    await lost[Symbol.asyncDispose]();
    assert.equal((await stat(pathOf(digest))).mode & 0o777, 0o600);
  });

  it("are copied for the next writer only when the last one may write still", async () => {
    const bytesFile = async () => {
      const ingests = join(layout.path, ".containerd-client", "ingests");
      const [name = ""] = (await readdir(ingests)).filter((one) => one.endsWith(".bytes"));
      return (await stat(join(ingests, name), { bigint: true })).ino;
    };
    const first = await layout.writer("ref");
    await first.write(Buffer.from("known"));
    const before = await bytesFile();
    await first[Symbol.asyncDispose]();
    const store = await again();
    for (let round = 0; round < 2; round++) {
      await using writer = await store.writer("ref");
      assert.equal(writer.offset, 5);
    }
    assert.equal(await bytesFile(), before);
  });

  it("are left when the time is over", async () => {
    const { digest } = await written(randomBytes(5_000_000));
    const timeoutMs = 0;
    await assert.rejects(layout.info(digest, { timeoutMs }), isDeadlineExceeded);
    await assert.rejects(bytesOf(layout.read({ digest }, { timeoutMs })), isDeadlineExceeded);
    await assert.rejects(all(layout.list([], { timeoutMs })), isDeadlineExceeded);
    await assert.rejects(layout.writer("x", { timeoutMs }), isDeadlineExceeded);
    await assert.rejects(layout.index.resolve("x", { timeoutMs }), isDeadlineExceeded);
  });
});
