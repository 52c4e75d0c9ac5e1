import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { imageUser } from "../../src/client/image-users.js";
import type { Provider } from "../../src/content/store.js";
import { FailedPreconditionError, NotFoundError, ResourceExhaustedError } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { type TarFile, writeTar } from "../../src/tar/tar.js";

const file = (name: string, text: string): TarFile => ({ name, body: new TextEncoder().encode(text) });
const passwd = (text: string) => file("etc/passwd", text);
const group = (text: string) => file("etc/group", text);
const directory = (name: string): TarFile => ({ name, type: "directory" });

class Layers implements Provider {
  readonly read_: string[] = [];
  readonly #blobs = new Map<string, Uint8Array>();

  async add(...files: TarFile[]): Promise<Descriptor> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeTar(files)) chunks.push(chunk);
    const bytes = gzipSync(Buffer.concat(chunks));
    const digest = digestOf(bytes);
    this.#blobs.set(digest, bytes);
    return { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest, size: bytes.length };
  }

  async *read(target: Pick<Descriptor, "digest">): AsyncGenerator<Uint8Array, void, undefined> {
    this.read_.push(target.digest);
    const bytes = this.#blobs.get(target.digest);
    if (bytes === undefined) throw new NotFoundError(`content digest ${target.digest}: not found`);
    for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
  }
}

describe("imageUser", () => {
  it("reads nothing for root and for numbers of both user and group", async () => {
    const layers = new Layers();
    const layer = await layers.add(passwd("app:x:1000:1000::/:\n"));
    assert.deepEqual(await imageUser(layers, [layer], ""), { uid: 0, gid: 0, additionalGids: [0] });
    assert.deepEqual(await imageUser(layers, [layer], "0"), { uid: 0, gid: 0, additionalGids: [0] });
    assert.deepEqual(await imageUser(layers, [layer], "7:8"), { uid: 7, gid: 8, additionalGids: [8] });
    assert.deepEqual(layers.read_, []);
  });

  it("finds a name and its groups in one layer", async () => {
    const layers = new Layers();
    const layer = await layers.add(
      directory("./etc/"),
      file("./etc/passwd", "app:x:10:20::/:\n"),
      group("staff:x:50:app\n"),
    );
    assert.deepEqual(await imageUser(layers, [layer], "app"), { uid: 10, gid: 20, additionalGids: [20, 50] });
    assert.deepEqual(await imageUser(layers, [layer], "app:staff"), { uid: 10, gid: 50, additionalGids: [50] });
  });

  it("finds the group of a number that is listed", async () => {
    const layers = new Layers();
    const layer = await layers.add(passwd("app:x:10:20::/:\n"));
    assert.equal((await imageUser(layers, [layer], "10")).gid, 20);
    assert.equal((await imageUser(layers, [layer], "11")).gid, 0);
  });

  it("takes each file from the topmost layer that has it, and reads no further", async () => {
    const layers = new Layers();
    const bottom = await layers.add(passwd("app:x:1:1::/:\n"), group("bottom:x:1:\n"));
    const middle = await layers.add(passwd("app:x:2:2::/:\n"), group("middle:x:2:app\n"));
    const top = await layers.add(passwd("app:x:3:3::/:\n"), file("other", ""));
    assert.deepEqual(await imageUser(layers, [bottom, middle, top], "app"), { uid: 3, gid: 3, additionalGids: [3, 2] });
    assert.deepEqual(layers.read_, [top.digest, middle.digest]);
  });

  for (const hider of ["etc/.wh.passwd", ".wh.etc", "etc/.wh..wh..opq", ".wh..wh..opq"]) {
    it(`does not find a name that ${hider} hides`, async () => {
      const layers = new Layers();
      const bottom = await layers.add(passwd("app:x:1:1::/:\n"));
      const top = await layers.add(file(hider, ""));
      await assert.rejects(imageUser(layers, [bottom, top], "app"), NotFoundError);
    });

    it(`finds a name beside ${hider} in one layer`, async () => {
      const layers = new Layers();
      const bottom = await layers.add(passwd("app:x:1:1::/:\n"), group("staff:x:50:app\n"));
      const top = await layers.add(passwd("app:x:2:2::/:\n"), file(hider, ""));
      const { uid } = await imageUser(layers, [bottom, top], "app");
      assert.equal(uid, 2);
    });
  }

  it("refuses links, which may lead anywhere, and files without end", async () => {
    const layers = new Layers();
    const link = await layers.add({ name: "etc/passwd", type: "symlink", linkName: "../../outside" });
    const etc = await layers.add({ name: "etc", type: "symlink", linkName: "usr/etc" });
    const large = await layers.add(passwd("#".repeat(1024 * 1024 + 1)));
    await assert.rejects(imageUser(layers, [link], "app"), FailedPreconditionError);
    await assert.rejects(imageUser(layers, [etc], "app"), FailedPreconditionError);
    await assert.rejects(imageUser(layers, [large], "app"), ResourceExhaustedError);
  });

  it("names a layer that is not there", async () => {
    const layers = new Layers();
    const missing = { ...(await layers.add(passwd(""))), digest: digestOf(new Uint8Array([1])) };
    await assert.rejects(imageUser(layers, [missing], "app"), (reason) => {
      assert.ok(reason instanceof NotFoundError);
      assert.ok(reason.message.includes(missing.digest));
      assert.match(reason.hint ?? "", /numbers/);
      return true;
    });
  });
});
