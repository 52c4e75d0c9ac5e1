import assert from "node:assert/strict";
import { it } from "node:test";
import type { TarFile } from "../../src/tar/tar.js";
import { directory, file, type SnapshotBed } from "./snapshot-bed.js";

/** Layers that want out, and what must come of them: a listing, or a refusal. */
const layers: Readonly<
  Record<string, { readonly layer: readonly TarFile[]; readonly files?: Record<string, string> }>
> = {
  "paths that lead up": {
    layer: [file("../../outside", "a"), file("d/../../../up", "b"), file("/absolute", "c")],
    files: { absolute: "c", outside: "a", up: "b" },
  },
  "files through a link to the root of all": {
    layer: [{ name: "out", type: "symlink", linkName: "/", mode: 0o777 }, file("out/tmp/planted", "a")],
    files: { out: "-> /", tmp: "", "tmp/planted": "a" },
  },
  "files through a link that leads up": {
    layer: [
      directory("d"),
      { name: "d/out", type: "symlink", linkName: "../../../../tmp", mode: 0o777 },
      file("d/out/planted", "a"),
    ],
    files: { d: "", "d/out": "-> ../../../../tmp", tmp: "", "tmp/planted": "a" },
  },
  "a file in the place of a link": {
    layer: [{ name: "passwd", type: "symlink", linkName: "/etc/passwd", mode: 0o777 }, file("passwd", "mine")],
    files: { passwd: "mine" },
  },
  "a link to what a hard link may not reach": {
    layer: [{ name: "shadow", type: "link", linkName: "/etc/shadow" }],
  },
  "a hard link of a link": {
    layer: [
      { name: "link", type: "symlink", linkName: "/etc/shadow", mode: 0o777 },
      { name: "hard", type: "link", linkName: "link" },
    ],
    files: { hard: "-> /etc/shadow", link: "-> hard" },
  },
  "something hidden above": { layer: [file("d/.wh...", "")] },
  "links that lead to each other": {
    layer: [
      { name: "a", type: "symlink", linkName: "b", mode: 0o777 },
      { name: "b", type: "symlink", linkName: "a", mode: 0o777 },
      file("a/planted", "x"),
    ],
  },
};

/** What untrusted layers must not do. */
export function hostileLayerCases(bed: SnapshotBed): void {
  for (const [what, { layer, files }] of Object.entries(layers)) {
    it(`stays inside with ${what}`, async () => {
      const mounts = await bed.prepare("a");
      if (files === undefined) {
        await assert.rejects(bed.apply(mounts, layer));
        return;
      }
      await bed.apply(mounts, layer);
      const found = await bed.files(mounts);
      assert.deepEqual(
        Object.fromEntries(Object.entries(found).map(([path, line]) => [path, line.split(" ").slice(3).join(" ")])),
        files,
      );
    });
  }
}
