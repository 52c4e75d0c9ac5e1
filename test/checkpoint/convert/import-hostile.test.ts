import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { importArchive } from "../../../src/checkpoint/index.js";
import { MemoryStore } from "../../../src/content/index.js";
import { isContainerdError } from "../../../src/errors.js";
import { readTar, type TarFile, type TarStreamFile, writeTar } from "../../../src/tar/tar.js";
import { archiveBytes } from "../../fixtures/checkpoint-archives.js";
import { type RawMember, rawTar } from "../../fuzz/raw-tar.js";

const directory = (name: string): RawMember => ({ name, type: "5" });
const file = (name: string): RawMember => ({ name, body: Buffer.from("action-script /bin/evil\n") });
const symlink = (name: string, linkName: string): RawMember => ({ name, type: "2", linkName });
const hardLink = (name: string, linkName: string): RawMember => ({ name, type: "1", linkName });

/** A real archive, of which some members have another content. */
async function* archiveWith(contents: Readonly<Record<string, Uint8Array>>): AsyncGenerator<Uint8Array> {
  async function* bytes() {
    yield gunzipSync(archiveBytes("podman-crun-gzip-volume.tar.gz"));
  }
  async function* members(): AsyncGenerator<TarFile | TarStreamFile> {
    for await (const { body, size, ...header } of readTar(bytes())) {
      const content = contents[header.name];
      if (header.type !== "file") yield header;
      else yield content === undefined ? { ...header, size, body: () => body } : { ...header, body: content };
    }
  }
  yield* writeTar(members());
}

async function imported(contents: Readonly<Record<string, Uint8Array>>) {
  const store = new MemoryStore();
  const checkpoint = await importArchive(archiveWith(contents), store);
  assert.ok(checkpoint.rw);
  const names: string[] = [];
  for await (const { name } of readTar(store.read(checkpoint.rw))) names.push(name);
  return { checkpoint, names };
}

describe("the content of a mount", () => {
  const hostile: Readonly<Record<string, readonly [readonly RawMember[], RegExp]>> = {
    "a file through a link the tar made": [
      [directory("./"), symlink("./a", ".."), file("./a/criu.conf"), hardLink("./h", "./a/criu.conf")],
      /"\.\/a\/criu\.conf" of "devshm-checkpoint\.tar": "a" is no directory/,
    ],
    "a hard link through a link": [
      [symlink("a", ".."), hardLink("h", "a/criu.conf")],
      /"h" of "devshm-checkpoint\.tar": "a" is no directory/,
    ],
    "a directory replaced by a link": [
      [directory("a/"), symlink("a", ".."), file("a/criu.conf")],
      /"a" of .*it comes twice/,
    ],
    "a directory that nobody made": [[file("a/b")], /"a\/b" of .*"a" is no directory/],
    "a link where a directory was needed": [[directory("d/"), file("d/x"), symlink("d", "..")], /"d" of .*comes twice/],
    "a hard link to what is not there": [[hardLink("h", "criu.conf")], /"h" of .*"criu\.conf".*is no file/],
    "a hard link to itself": [[hardLink("h", "h")], /"h" of .*is no file/],
    "a hard link to a directory": [[directory("d/"), hardLink("h", "d")], /"h" of .*is no file/],
    "a hard link up": [[hardLink("h", "../criu.conf")], /straight down/],
  };
  for (const [what, [members, message]] of Object.entries(hostile)) {
    it(`reaches nothing beside its place: ${what}`, async () => {
      await assert.rejects(imported({ "devshm-checkpoint.tar": rawTar(members) }), (reason) => {
        assert.ok(isContainerdError(reason, "invalid_argument"), String(reason));
        assert.match(reason.message, message);
        return true;
      });
    });
  }

  it("comes along with its directories and links, and what criu is told comes behind it", async () => {
    const shm = [directory("./"), directory("./d/"), file("./d/f"), hardLink("./h", "./d/f"), symlink("./s", "../x")];
    const { names, checkpoint } = await imported({
      "devshm-checkpoint.tar": rawTar([...shm, { name: "./sda", type: "4" }, file("./.wh.f")]),
    });
    const place = names.find((name) => name.endsWith("/d"))?.slice(0, -1);
    assert.deepEqual(
      names.filter((name) => place !== undefined && name.startsWith(place)).map((name) => name.slice(place?.length)),
      ["", "d", "d/f", "h", "s"],
    );
    assert.equal(names.at(-1), "dev/.containerd-client/criu.conf");
    const left = checkpoint.leftOut.map(({ what, name }) => `${what} ${name}`);
    assert.ok(left.includes("device ./sda of devshm-checkpoint.tar"), left.join("\n"));
    assert.ok(left.includes("file ./.wh.f of devshm-checkpoint.tar"), left.join("\n"));
  });
});
