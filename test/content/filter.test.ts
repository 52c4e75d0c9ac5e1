import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { filter } from "../../src/content/filter.js";
import { parseFilters } from "../../src/content/filter-match.js";
import { isInvalidArgument } from "../../src/errors.js";

const value = (fields: Record<string, string>) => (path: readonly string[]) => fields[path.join("|")];

describe("filters", () => {
  it("quote what must be quoted", () => {
    assert.equal(filter(["id"]), "id");
    assert.equal(filter(["labels", "role"], "==", "db"), 'labels.role=="db"');
    assert.equal(filter(["labels", "my.app/k"], "!=", 'a "b", c'), 'labels."my.app/k"!="a \\"b\\", c"');
    assert.equal(filter(["ref"], "~=", "^/tmp/\\d"), 'ref~="^/tmp/\\\\d"');
  });

  it("match what was quoted, whatever it is", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(text, text, text, (name, wanted, other) => {
        const holds = parseFilters([filter(["labels", name], "==", wanted)]);
        assert.equal(holds(value({ [`labels|${name}`]: wanted })), true);
        assert.equal(holds(value({ [`labels|${name}`]: other })), other === wanted);
        assert.equal(holds(value({ other: wanted })), false);
      }),
    );
  });

  it("are read as the daemon reads them", () => {
    const fields = { a: "1", b: "x/y", "labels|k": "v", "labels|e": "" };
    const cases: readonly [readonly string[], boolean][] = [
      [[], true],
      [[""], true],
      [["a"], true],
      [["c"], false],
      [["labels.e"], false],
      [["a==1"], true],
      [["a==1,b==x/y"], true],
      [["a==1,b==z"], false],
      [["a==1, b==x/y"], true],
      [[" a==1 ,\tb==z"], false],
      [["a==2", "b==x/y"], true],
      [["a!=2"], true],
      [["c!=2"], false],
      [['"a"=="1"'], true],
      [["b~=^x"], true],
      [["b~=/x\\/y/"], true],
      [["b~=|^x/y$|"], true],
      [['labels."k"~="^[uvw]$"'], true],
    ];
    for (const [filters, wanted] of cases)
      assert.equal(parseFilters(filters)(value(fields)), wanted, filters.join(" or "));
    for (const bad of [
      "a=1",
      "a==",
      "==1",
      "a==/x/",
      "a==|x|",
      'a=="x',
      "a~=(",
      "a.",
      "a==1,",
      "a b",
      'a=="\\q"',
      "a<1",
    ]) {
      assert.throws(() => parseFilters([bad]), isInvalidArgument, bad);
    }
  });
});
