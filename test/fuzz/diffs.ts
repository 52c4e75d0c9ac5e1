import fc from "fast-check";
import { GNU, type RawMember, USTAR } from "./raw-tar.js";

// Few names, so that members meet, and meet the links of the root filesystem they are applied to.
const names = [
  ..."a a/b a/b/c d d/e out out/x absolute absolute/x file-out inside inside/x real real/f etc/passwd . ./ ./a ./d/".split(
    " ",
  ),
  "a/",
  "d/",
  "out/",
  ".wh.a",
  "d/.wh..wh..opq",
  "d/.wh.e",
  ".wh...",
  "caf\u00e9",
  "cafe\u0301",
  "a\nb",
  "back\\slash",
  "n".repeat(99),
  "__proto__",
];
const hostile = ["../beside", "/etc/passwd", "../outside/passwd", "a/../../beside", "d/..", "..", "", "a//b", "./../x"];
const targets = [...names, ...hostile, "../outside", "/", "/etc", "t".repeat(99)];
const records = fc.constantFrom(
  ...([
    ["path", "../beside"],
    ["path", "out/x"],
    ["path", "long/".repeat(60)],
    ["path", "n".repeat(256)],
    ["linkpath", "../outside/passwd"],
    ["linkpath", "a"],
    ["size", "0"],
    ["size", "99999999"],
    ["mtime", "1700000000.5"],
    ["mtime", "-1"],
    ["mtime", "99999999999999"],
    ["uid", "3000000000"],
    ["uid", "99999999999"],
    ["gid", "-1"],
    ["GNU.sparse.major", "1"],
    ["comment", "x"],
  ] as const),
);
/** Once in so many times. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>, times: number) =>
  fc.oneof({ weight: times, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

const member: fc.Arbitrary<RawMember> = fc.record({
  name: fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(...names) },
    { weight: 1, arbitrary: fc.constantFrom(...hostile) },
    {
      weight: 20,
      arbitrary: fc
        .array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 })
        .map((path) => path.join("/")),
    },
    { weight: 1, arbitrary: fc.string({ maxLength: 20, unit: "binary" }) },
  ),
  type: fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom("0", "0", "0", "5", "5", "2", "1") },
    { weight: 1, arbitrary: fc.constantFrom("3", "4", "6", "7", "S", "V", "\0") },
  ),
  linkName: fc.oneof(
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: fc.constantFrom(...targets) },
  ),
  body: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Uint8Array | undefined>(undefined) },
    { weight: 3, arbitrary: fc.uint8Array({ maxLength: 700 }).map((bytes): Uint8Array | undefined => bytes) },
    { weight: 1, arbitrary: fc.constant<Uint8Array | undefined>(Buffer.alloc(9000)) },
  ),
  size: seldom(fc.nat(2000), 200),
  prefix: seldom(fc.constantFrom("a/b", "..", "out"), 100),
  magic: seldom(fc.constantFrom(GNU, USTAR), 60),
  checksumOff: seldom(fc.constant(1), 300),
  pax: seldom(fc.array(records, { minLength: 1, maxLength: 2 }), 25),
  longName: seldom(fc.constantFrom("a", "../beside", "out/x", "l".repeat(200)), 100),
});

/** Only what has content has one, as a rule. */
function sound(raw: RawMember): RawMember {
  const isFile = raw.type === "0";
  return {
    ...raw,
    body: isFile ? raw.body : undefined,
    linkName: raw.type === "1" || raw.type === "2" ? raw.linkName : undefined,
  };
}

/** Diffs of root filesystems, of members that are mostly as they could be. */
export const diffs: fc.Arbitrary<{ readonly members: RawMember[]; readonly emptyBlocks: number }> = fc.record({
  members: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.uniqueArray(member.map(sound), { maxLength: 6, selector: ({ name }) => name.replace(/\/$/, "") }),
    },
    { weight: 1, arbitrary: fc.array(member.map(sound), { maxLength: 8 }) },
  ),
  emptyBlocks: fc.constantFrom(2, 2, 2, 2, 2, 2, 2, 2, 20, 1),
});
