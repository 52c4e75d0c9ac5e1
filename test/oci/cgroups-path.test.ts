import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { cgroupsPathFor } from "../../src/oci/cgroups-path.js";

describe("cgroupsPathFor", () => {
  const table: readonly [string, string][] = [
    ["/default/old", "/default/new"],
    ["/default/old/", "/default/new"],
    ["/old", "/new"],
    ["old", "new"],
    ["/a/b/c/old", "/a/b/c/new"],
    ["/kubepods/besteffort/podx/old", "/kubepods/besteffort/podx/new"],
    ["system.slice:nerdctl:old", "system.slice:nerdctl:new"],
    [":cri-containerd:old", ":cri-containerd:new"],
    ["/a:b:c/old", "/a:b:c/new"],
    ["/", "/new"],
    ["", ""],
  ];
  for (const [path, expected] of table) {
    it(`turns ${JSON.stringify(path)} into ${JSON.stringify(expected)}`, () => {
      assert.equal(cgroupsPathFor(path, "new"), expected);
    });
  }

  it("gives two ids two paths, and the way back", () => {
    const id = fc.stringMatching(/^[A-Za-z0-9]{1,8}$/);
    fc.assert(
      fc.property(fc.constantFrom("/ns/", "s.slice:p:", "/a/b/"), id, id, (prefix, first, second) => {
        assert.equal(cgroupsPathFor(`${prefix}${first}`, second), `${prefix}${second}`);
      }),
    );
  });
});
