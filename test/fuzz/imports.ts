import fc from "fast-check";
import { ImageMagic } from "../../src/checkpoint/criu/image.js";
import { readTar } from "../../src/tar/tar.js";
import { archiveBytes } from "../fixtures/checkpoint-archives.js";
import { criuImage, field } from "../fixtures/criu-image.js";
import { diffs } from "./diffs.js";
import { type RawMember, rawTar } from "./raw-tar.js";

type Edit = (members: readonly RawMember[]) => RawMember[];
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Real archives, without their memory. */
export async function wholeArchives(): Promise<readonly (readonly RawMember[])[]> {
  const names = [
    "crio.tar",
    "containerd-cri.tar",
    "podman-crun-gzip-volume.tar.gz",
    "podman-crun-zstd-stopped.tar.zst",
  ];
  return Promise.all(names.map(membersOf));
}

async function membersOf(archive: string): Promise<readonly RawMember[]> {
  async function* bytes() {
    yield archiveBytes(archive);
  }
  const members: RawMember[] = [];
  for await (const { name, type, body } of readTar(bytes())) {
    if (type !== "file") continue;
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    const isMemory = /pages-|\.log$|stats|pagemap|seccomp/.test(name);
    members.push({ name, body: isMemory ? Buffer.alloc(0) : Buffer.concat(chunks) });
  }
  return members;
}

const withBody =
  (name: RegExp, change: (body: Uint8Array) => Uint8Array): Edit =>
  (members) =>
    members.map((one) => (name.test(one.name) ? { ...one, body: change(one.body ?? Buffer.alloc(0)) } : one));

/** What is in a mount, as somebody writes it who knows where criu's configuration will lie. */
const content = fc
  .uniqueArray(
    fc.record({
      name: fc.constantFrom(..."./ a a/ a/b a/criu.conf criu.conf d/ d/x d/h h .wh.a sda ../x".split(" ")),
      type: fc.constantFrom("0", "0", "5", "2", "2", "1", "1", "4"),
      linkName: fc.constantFrom(..."a .. . ../criu.conf a/criu.conf criu.conf d/x h /etc/passwd".split(" ")),
    }),
    { maxLength: 6, selector: ({ name }) => name },
  )
  .map((members) =>
    rawTar(
      members.map(({ name, type, linkName }): RawMember => {
        if (name.endsWith("/") || type === "5") return { name, type: "5" };
        return type === "1" || type === "2" ? { name, type, linkName } : { name, type, body: Buffer.from("evil\n") };
      }),
    ),
  );

const values: fc.Arbitrary<Json> = fc.constantFrom<Json>(
  null,
  true,
  -1,
  1e300,
  "",
  "../../x",
  "/etc/shadow",
  "a\nb]:/dev/null",
  [],
  {},
  [null],
  [{}],
  [[1]],
  { path: 5 },
  ["CAP_SYS_ADMIN"],
);

/** A document with something else somewhere in it, found by going down at random. */
function changed(document: Json, steps: readonly number[], value: Json): Json {
  const [step = 0, ...others] = steps;
  if (steps.length === 0 || typeof document !== "object" || document === null) return value;
  if (Array.isArray(document)) {
    const at = step % Math.max(1, document.length);
    return document.map((item, index) => (index === at ? changed(item, others, value) : item));
  }
  const keys = Object.keys(document);
  const key = keys[step % Math.max(1, keys.length)] ?? "x";
  return { ...document, [key]: changed(document[key] ?? null, others, value) };
}

const mount = fc
  .record({
    path: fc.constantFrom("/", "/dev", "/proc", "/proc/kcore", "/sys", "/data", "x".repeat(5000)),
    root: fc.constantFrom("/", "/dev", "/null", "/dev/.containerd-client", "/../x"),
    key: fc.constantFrom("", "", "", "/dev/null", "/etc/hosts", "/proc/x]:/dev/null\naction-script /bin/evil"),
    filesystem: fc.constantFrom(1, 5, 17, 99),
    device: fc.nat(3),
    flags: fc.constantFrom(0, 1, 2 ** 21 + 1),
  })
  .map(({ path, root, key, filesystem, device, flags }) => {
    const fields = [field(1, filesystem), field(3, device), field(5, flags), field(6, root), field(7, path)];
    return key === "" ? fields : [...fields, field(18, key)];
  });

const edits: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 3, arbitrary: content.map((tar) => withBody(/^devshm-|^volumes\//, () => tar)) },
  {
    weight: 2,
    arbitrary: diffs.map(({ members, emptyBlocks }) => withBody(/^rootfs-diff/, () => rawTar(members, emptyBlocks))),
  },
  {
    weight: 6,
    arbitrary: fc
      .record({
        name: fc.constantFrom(/^spec\.dump$/, /^config\.dump$/, /^(bind\.mounts|status|deleted\.files)/),
        steps: fc.array(fc.nat(40), { minLength: 1, maxLength: 5 }),
        value: values,
      })
      .map(({ name, steps, value }) =>
        withBody(name, (body) =>
          Buffer.from(JSON.stringify(changed(JSON.parse(Buffer.from(body).toString()) as Json, steps, value))),
        ),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(mount, { maxLength: 6 })
      .map((mounts) => withBody(/mountpoints-/, () => criuImage(ImageMagic.mountPoints, mounts))),
  },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ maxLength: 20 })
      .map((words) => withBody(/core-/, () => criuImage(ImageMagic.core, [[field(5, field(10, field(9, words)))]]))),
  },
  {
    weight: 1,
    arbitrary: fc.nat(60).map(
      (at): Edit =>
        (members) =>
          members.filter((_, index) => index !== at),
    ),
  },
);

/** Real archives with a few things in them changed by somebody who wants something of whoever imports them. */
export function imports(
  whole: readonly (readonly RawMember[])[],
): fc.Arbitrary<{ readonly members: RawMember[]; readonly emptyBlocks: number }> {
  return fc
    .record({ base: fc.constantFrom(...whole), edits: fc.array(edits, { maxLength: 3 }) })
    .map(({ base, edits: some }) => ({
      members: some.reduce<RawMember[]>((members, edit) => edit(members), [...base]),
      emptyBlocks: 2,
    }));
}
