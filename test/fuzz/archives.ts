import fc from "fast-check";
import { readTar } from "../../src/tar/tar.js";
import { archiveBytes } from "../fixtures/checkpoint-archives.js";
import { GNU, type RawMember, USTAR } from "./raw-tar.js";

/** The files of a real archive that are small, by name: what others are grown from. */
export type Seeds = ReadonlyMap<string, Buffer>;

const MOST_SEED_BYTES = 6000;

/** Reads the small files of real archives. */
export async function seeds(): Promise<Seeds> {
  const found = new Map<string, Buffer>();
  for (const name of [
    "crio.tar",
    "containerd-cri.tar",
    "podman-crun-gzip-tcp.tar.gz",
    "podman-crun-zstd-tty.tar.zst",
  ]) {
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield archiveBytes(name);
    }
    for await (const { name: path, type, size, body } of readTar(bytes())) {
      if (type !== "file" || size > MOST_SEED_BYTES || found.has(path)) continue;
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      found.set(path, Buffer.concat(chunks));
    }
  }
  return found;
}

const hostileNames = [
  "../escape",
  "/etc/passwd",
  "a/../../b",
  "./../x",
  "x//y",
  ".",
  "..",
  "",
  "./",
  "checkpoint/../../x",
  "checkpoint\\..\\x",
  "volumes/../x.tar",
  "__proto__",
  "constructor",
  "caf\u00e9.img",
  "cafe\u0301.img",
  "a\nb",
  "\u001b[31m",
  "\u202egnp.img",
  `${"d/".repeat(40)}f`,
  "n".repeat(300),
  "checkpoint",
  "checkpoint/",
  "checkpoint/pages-1.img",
  "oci-layout",
  "index.json",
  "blobs/sha256/00",
];

const documents = [
  "null",
  "{}",
  "[]",
  '{"__proto__":{"polluted":true},"id":"x"}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '["/data/x","/../../etc/passwd"]',
  '["../../../etc/passwd"]',
  '["/ok",1]',
  `${"[".repeat(2000)}`,
  `${'{"a":'.repeat(600)}1${"}".repeat(600)}`,
  '{"id":"a","id":"b"}',
  '{"annotations":{"io.container.manager":"cri-o","io.kubernetes.cri-o.Metadata":"{"}}',
  '{"mounts":[1,null,{"destination":5}]}',
  '[{"source":"/","destination":"/x","file_type":"link"}]',
  '{"podman":{"interfaces":{"eth0":{"subnets":[{"ipnet":5}]}}}}',
  "{not json",
  "\u0000",
  '{"imageLayoutVersion":"1.0.0"}',
  '{"schemaVersion":2,"manifests":[]}',
];

const records = fc.constantFrom(
  ["path", "config.dump"],
  ["path", "../x"],
  ["path", ""],
  ["size", "0"],
  ["size", "512"],
  ["size", "99999999999999"],
  ["size", "-1"],
  ["linkpath", "/etc"],
  ["mtime", "1.5"],
  ["mtime", "never"],
  ["comment", "x"],
  ["GNU.sparse.major", "1"],
  ["SCHILY.xattr.user.x", "y"],
  ["hdrcharset", "BINARY"],
) as fc.Arbitrary<[string, string]>;

/** Once in so many times. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>, times: number) =>
  fc.oneof({ weight: times, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

function member(grown: Seeds): fc.Arbitrary<RawMember> {
  const known = [...grown.keys()];
  const grownBody = (name: string) =>
    fc.oneof(
      { weight: 40, arbitrary: fc.constant<Uint8Array>(grown.get(name) ?? Buffer.alloc(0)) },
      { weight: 3, arbitrary: fc.constantFrom(...documents).map((text): Uint8Array => Buffer.from(text)) },
      {
        weight: 3,
        arbitrary: fc.constantFrom(...known).map((other): Uint8Array => grown.get(other) ?? Buffer.alloc(0)),
      },
      { weight: 2, arbitrary: fc.uint8Array({ maxLength: 1200 }) },
    );
  const name = fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom(...known) },
    {
      weight: 4,
      arbitrary: fc.constantFrom("checkpoint/pstree.img", "checkpoint/files.img", "checkpoint/pagemap-1.img"),
    },
    { weight: 1, arbitrary: fc.constantFrom(...hostileNames) },
    { weight: 1, arbitrary: fc.string({ maxLength: 30, unit: "binary" }) },
  );
  return name.chain((chosen) =>
    fc.record({
      name: fc.constant(chosen),
      body: grownBody(chosen),
      type: seldom(fc.constantFrom("5", "1", "2", "3", "6", "7", "S", "x", "V", "\0", "K"), 60),
      size: seldom(fc.oneof(fc.nat(2000), fc.constantFrom(2 ** 33, 8 ** 11 - 1)), 200),
      linkName: seldom(fc.constantFrom("../pre-checkpoint", "/etc/passwd", "config.dump"), 100),
      prefix: seldom(fc.constantFrom("a/b", "..", "checkpoint"), 150),
      magic: seldom(fc.constantFrom(GNU, USTAR, "\0\0\0\0\0\0\0\0", "ustar\u00000\0"), 80),
      checksumOff: seldom(fc.constantFrom(1, -1), 300),
      isBinary: seldom(fc.boolean(), 20),
      pax: seldom(fc.array(records, { minLength: 1, maxLength: 3 }), 60),
      globalPax: seldom(fc.array(records, { minLength: 1, maxLength: 2 }), 200),
      longName: seldom(fc.constantFrom("config.dump", "../x", "l".repeat(200)), 150),
    }),
  );
}

/** Archives of members that are mostly as they should be, and sometimes are not. */
export function archives(grown: Seeds): fc.Arbitrary<{ readonly members: RawMember[]; readonly emptyBlocks: number }> {
  return fc.record({
    members: fc.uniqueArray(member(grown), { maxLength: 14, selector: ({ name }) => name }),
    emptyBlocks: fc.constantFrom(2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 20, 20, 1, 0),
  });
}
