import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { writeBlob } from "../../src/content/blob.js";
import type { LayoutStore } from "../../src/content/layout/layout-store.js";
import {
  isContainerdError,
  isDataLoss,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
} from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { MEDIA_TYPE_MANIFEST } from "../../src/oci/media-types.js";
import { absent, all } from "../suites/content-bed.js";
import { layoutSubject } from "./layout-bed.js";

const REF_NAME = "org.opencontainers.image.ref.name";
const IMAGE_NAME = "io.containerd.image.name";

describe("the index of a layout", () => {
  let layout: LayoutStore;
  let subject: Awaited<ReturnType<typeof layoutSubject>>;
  let [first, second]: Descriptor[] = [];

  beforeEach(async () => {
    subject = await layoutSubject();
    layout = subject.store;
    [first, second] = [await blob(), await blob()];
  });
  afterEach(() => subject.end());

  const blob = () => writeBlob(layout, randomBytes(10), { mediaType: MEDIA_TYPE_MANIFEST });
  const file = () => join(layout.path, "index.json");
  const read = async () => JSON.parse(await readFile(file(), "utf8")) as Record<string, unknown>;
  const write = (manifests: readonly unknown[], others: object = {}) =>
    writeFile(file(), JSON.stringify({ schemaVersion: 2, manifests, ...others }));
  const names = async () => (await all(layout.index.list())).map(({ name, target }) => [name, target.digest]);

  it("names images, renames them and forgets names", async () => {
    assert.ok(first && second);
    assert.deepEqual(await names(), []);
    await assert.rejects(layout.index.resolve(), isNotFound);
    await layout.index.tag("counter:frozen", { ...first, platform: { os: "linux", architecture: "arm64" } });
    const expected = { ...first, platform: { os: "linux", architecture: "arm64" } };
    const annotations = { [REF_NAME]: "counter:frozen" };
    assert.deepEqual(await layout.index.resolve("counter:frozen"), { ...expected, annotations });
    assert.deepEqual(await layout.index.resolve(), { ...expected, annotations });
    await layout.index.tag("counter:frozen", second);
    assert.deepEqual(await names(), [["counter:frozen", second.digest]]);
    await layout.index.tag("other", second);
    assert.equal((await layout.index.resolve()).digest, second.digest);
    await layout.index.tag("third", first);
    await assert.rejects(
      layout.index.resolve(),
      (reason) => isFailedPrecondition(reason) && /third/.test(reason.hint ?? ""),
    );
    await layout.index.untag("other");
    await assert.rejects(layout.index.untag("other"), isNotFound);
    await assert.rejects(layout.index.resolve("other"), isNotFound);
    assert.equal((await layout.index.resolve(first.digest)).digest, first.digest);
    assert.equal((await layout.info(second.digest)).size, 10);
    await layout.index.untag(second.digest);
    assert.deepEqual(await names(), [["third", first.digest]]);
  });

  it("gives full names the form that containerd and BuildKit write, and one tag to one image", async () => {
    assert.ok(first && second);
    const [a, b] = ["docker.io/library/a:v1", "docker.io/library/b:v1"];
    await layout.index.tag(a, first);
    assert.deepEqual((await layout.index.resolve(a)).annotations, { [IMAGE_NAME]: a, [REF_NAME]: "v1" });
    assert.equal((await layout.index.resolve("v1")).digest, first.digest);
    await layout.index.tag(b, second);
    assert.deepEqual(await names(), [
      [a, first.digest],
      [b, second.digest],
    ]);
    assert.equal((await layout.index.resolve("v1")).digest, second.digest);
    assert.equal((await layout.index.resolve(a)).digest, first.digest);
    await layout.index.tag("v1", first);
    assert.equal((await layout.index.resolve("v1")).digest, first.digest);
    assert.deepEqual((await layout.index.resolve(b)).annotations, { [IMAGE_NAME]: b });
    await layout.index.tag(`docker.io/library/c@${first.digest}`, first);
    assert.deepEqual((await layout.index.resolve(`docker.io/library/c@${first.digest}`)).annotations, {
      [REF_NAME]: `docker.io/library/c@${first.digest}`,
    });
  });

  it("keeps what it does not know, and the file's mode", async () => {
    assert.ok(first && second);
    const theirs = { ...first, annotations: { "their.own": "1", [REF_NAME]: "theirs" }, "x-new": { deep: [1] } };
    const nameless = { ...second, urls: ["https://example.org"] };
    await write([theirs, nameless], { annotations: { all: "yes" }, "x-future": 18446744073709551615n.toString() });
    await chmod(file(), 0o640);
    await layout.index.tag("ours", second);
    const after = await read();
    assert.equal((await stat(file())).mode & 0o777, 0o640);
    assert.deepEqual(after["annotations"], { all: "yes" });
    assert.equal(after["x-future"], "18446744073709551615");
    assert.deepEqual((after["manifests"] as unknown[]).slice(0, 2), [theirs, nameless]);
    assert.deepEqual(await names(), [
      ["theirs", first.digest],
      [undefined, second.digest],
      ["ours", second.digest],
    ]);
    await layout.index.tag("theirs", { ...first, annotations: { "their.own": "2" } });
    assert.deepEqual((await layout.index.resolve("theirs")).annotations, { "their.own": "2", [REF_NAME]: "theirs" });
  });

  it("says that one name stands for several images, and replaces them all", async () => {
    assert.ok(first && second);
    const annotations = { [REF_NAME]: "both" };
    await write([
      { ...first, annotations },
      { ...second, annotations },
    ]);
    await assert.rejects(layout.index.resolve("both"), isFailedPrecondition);
    await layout.index.tag("both", first);
    assert.deepEqual(await names(), [["both", first.digest]]);
  });

  it("refuses what is not there, what has no proper name and what is no index, and changes nothing", async () => {
    assert.ok(first);
    await layout.index.tag("good", first);
    const before = await readFile(file(), "utf8");
    for (const name of ["", "a b", "-a", "a\nb", "ä"]) {
      await assert.rejects(layout.index.tag(name, first), isInvalidArgument, name);
    }
    await assert.rejects(layout.index.tag("x", { ...first, digest: absent }), isNotFound);
    await assert.rejects(layout.index.tag("x", { ...first, size: 11 }), isDataLoss);
    await assert.rejects(layout.index.tag("x", { ...first, digest: "sha256:no" }), isInvalidArgument);
    assert.equal(await readFile(file(), "utf8"), before);
    for (const [text, code] of [
      ["", "invalid_argument"],
      ["{}", "invalid_argument"],
      [JSON.stringify({ schemaVersion: 2, manifests: [], layers: [] }), "invalid_argument"],
      [`{"schemaVersion":2,"manifests":[],"x":"${"x".repeat(5_000_000)}"}`, "resource_exhausted"],
    ] as const) {
      await writeFile(file(), text);
      for (const act of [
        () => all(layout.index.list()),
        () => layout.index.resolve("good"),
        () => layout.index.tag("new", first as Descriptor),
        () => layout.index.untag("good"),
      ]) {
        await assert.rejects(act(), (reason) => isContainerdError(reason, code));
      }
      assert.equal(await readFile(file(), "utf8"), text);
    }
  });

  it("is changed by many at once, and no change is lost", async () => {
    const target = await blob();
    const wanted = Array.from({ length: 40 }, (_, at) => `tag-${at}`);
    await Promise.all(wanted.map((name) => layout.index.tag(name, target)));
    assert.deepEqual(new Set((await names()).map(([name]) => name)), new Set(wanted));
    assert.equal((await names()).length, wanted.length);
    await Promise.all(wanted.slice(1).map((name) => layout.index.untag(name)));
    assert.deepEqual(await names(), [["tag-0", target.digest]]);
  });

  it("is whole whenever somebody looks", async () => {
    const target = await blob();
    let isOver = false;
    let looks = 0;
    const looking = (async () => {
      for (; !isOver; looks++) {
        assert.ok("manifests" in (await read()));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let at = 0; at < 150; at++) await layout.index.tag(`tag-${at}`, target);
    isOver = true;
    await looking;
    assert.ok(looks > 150, `looked ${looks} times`);
  });
});
