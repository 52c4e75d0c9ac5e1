import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writeGoJson } from "../../src/oci/go-json.js";
import { parseJsonObject } from "../../src/oci/json.js";

describe("writeGoJson", () => {
  // Right-hand sides are what json.Marshal of Go 1.24 gives.
  const cases: readonly [string, unknown, string][] = [
    ["signs of HTML", "<a href='x'>&</a>", "\"\\u003ca href='x'\\u003e\\u0026\\u003c/a\\u003e\""],
    ["line separators", "\u2028\u2029", '"\\u2028\\u2029"'],
    ["control characters", "\b\f\n\r\t\0\x1f\x7f", '"\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"'],
    ["quotes and backslashes", '"\\/', '"\\"\\\\/"'],
    ["other scripts as they are", "é 漢 😀", '"é 漢 😀"'],
    ["half a surrogate pair as U+FFFD", "a\ud800b", '"a\ufffdb"'],
    ["numbers", [0, -1, 1.5, 1e21, 1e-7, 2 ** 53 - 1], "[0,-1,1.5,1e+21,1e-7,9007199254740991]"],
    ["integers of 64 bits", 18446744073709551615n, "18446744073709551615"],
    ["null and booleans", [null, true, false], "[null,true,false]"],
    [
      "keys of a map by their UTF-8 bytes",
      { "😀": 1, "\uffff": 2, b: 3, B: 4, 10: 5, 9: 6 },
      '{"10":5,"9":6,"B":4,"b":3,"\uffff":2,"😀":1}',
    ],
    ["no members without a value", { a: undefined, b: 1 }, '{"b":1}'],
  ];
  for (const [name, value, expected] of cases) {
    it(`writes ${name}`, () => {
      assert.equal(writeGoJson(value), expected);
    });
  }

  it("escapes keys like values", () => {
    assert.equal(writeGoJson({ "<": 1 }), '{"\\u003c":1}');
  });
});

describe("parseJsonObject", () => {
  it("loses no digit of an integer, and takes no text for one", () => {
    const text =
      '{"a":18446744073709551615,"b":-9223372036854775808,"c":9007199254740991,"d":"18446744073709551615",' +
      '"e":["int:12345678901234567890","\\"12345678901234567890\\""],"f":1.2345678901234567890,"g":12345678901234567000e2,"h":"int:99999999999999999999"}';
    const value = parseJsonObject(text, "text");
    assert.deepEqual(value, {
      a: 18446744073709551615n,
      b: -9223372036854775808n,
      c: 9007199254740991,
      d: "18446744073709551615",
      e: ["int:12345678901234567890", '"12345678901234567890"'],
      f: 1.2345678901234567,
      g: Number("12345678901234567000e2"),
      h: "int:99999999999999999999",
    });
  });
});

describe("parseJsonObject on large input", () => {
  it("reads a document of the largest size with long integers in it", () => {
    const text = JSON.stringify({ long: '\\"x'.repeat(500_000) }).replace("{", '{"n":18446744073709551615,');
    assert.ok(text.length < 4 * 1024 * 1024);
    assert.equal(parseJsonObject(text, "text")["n"], 18446744073709551615n);
  });

  it("refuses what is nested without end, and does not count brackets in strings", () => {
    for (const open of ["[", '{"a":']) {
      assert.throws(() => parseJsonObject(`{"a":${open.repeat(500_000)}`, "text"), /nested deeper than 512/);
    }
    const text = JSON.stringify({ a: '\\"['.repeat(1000), b: [[]] });
    assert.deepEqual(parseJsonObject(text, "text"), JSON.parse(text));
  });

  it("takes __proto__ for a key like others while it restores integers", () => {
    const value = parseJsonObject('{"__proto__":{"n":18446744073709551615},"n":-9223372036854775808}', "text");
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(writeGoJson(value), '{"__proto__":{"n":18446744073709551615},"n":-9223372036854775808}');
  });
});
