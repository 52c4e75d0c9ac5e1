import { type ImportedCheckpoint, importArchive } from "../../src/checkpoint/index.js";
import { MemoryStore, readBlob } from "../../src/content/index.js";
import { contentsInMemory } from "../../src/embedded/snapshots/memory-contents.js";
import { MemoryTree } from "../../src/embedded/snapshots/memory-tree.js";
import { parseSpec } from "../../src/oci/runtime-spec.js";
import { writeTar } from "../../src/tar/tar.js";
import { applyLayer } from "../../src/tree/apply-layer.js";
import { decodeAny } from "../../src/typeurl.js";
import { readCases } from "./outcome.js";

const PLACE = "dev/.containerd-client";
const ordinaryLine = /^(?:external mnt\[\/[\w./+-]+\]:\/dev\/null|skip-file-rwx-check|tcp-established|file-locks)$/;
const base = await hostileImage();

// A process of its own, so that the memory it needs is the import's.
const outcome = await readCases(async (archive) => {
  const store = new MemoryStore();
  async function* bytes() {
    yield archive;
  }
  let checkpoint: ImportedCheckpoint;
  try {
    checkpoint = await importArchive(bytes(), store);
  } catch (reason) {
    for await (const { digest } of store.list())
      throw new Error(`${digest} stays of what was refused: ${String(reason)}`);
    for await (const { ref } of store.statuses())
      throw new Error(`${ref} stays of what was refused: ${String(reason)}`);
    throw reason;
  }
  await check(store, checkpoint);
});
process.stdout.write(JSON.stringify(outcome, undefined, 1));

async function check(store: MemoryStore, { spec, rw }: ImportedCheckpoint): Promise<void> {
  if (spec === undefined || rw === undefined) throw new Error("a part is missing");
  const {
    annotations = {},
    mounts = [],
    process: own,
    hooks,
  } = parseSpec(decodeAny(await readBlob(store, spec)).value);
  const others = Object.keys(annotations).filter((name) => name !== "org.criu.config");
  if (hooks !== undefined || others.length > 0) throw new Error(`a spec that brings ${others.join(", ")} or hooks`);
  if (JSON.stringify(own?.capabilities ?? {}).includes("SYS_ADMIN")) throw new Error("a spec that may do more");
  const foreign = mounts.find(
    ({ type, options = [], source = "" }) =>
      (type === "bind" || options.includes("bind") || options.includes("rbind")) &&
      !new RegExp(`^rootfs/${PLACE}/\\w+$`).test(source),
  );
  if (foreign !== undefined) throw new Error(`a mount of the host's: ${JSON.stringify(foreign)}`);
  const tree = new MemoryTree(contentsInMemory, base);
  await applyLayer(tree, store.read(rw));
  if (annotations["org.criu.config"] === undefined) return;
  const config = Buffer.from(await tree.readFile(`${PLACE}/criu.conf`)).toString();
  if (
    !config
      .trimEnd()
      .split("\n")
      .every((line) => ordinaryLine.test(line))
  )
    throw new Error(`criu is told: ${config}`);
}

/** An image whose maker knows what will be put over it. */
async function hostileImage(): Promise<MemoryTree> {
  const tree = new MemoryTree(contentsInMemory);
  function* members() {
    for (let number = 0; number < 10; number += 1) {
      yield { name: `${PLACE}/${number}/a`, type: "symlink", linkName: ".." } as const;
      yield { name: `${PLACE}/${number}/d`, type: "symlink", linkName: "/dev/.containerd-client" } as const;
    }
    yield { name: `${PLACE}/criu.conf`, body: Buffer.from("action-script /bin/evil\n") };
  }
  await applyLayer(tree, writeTar(members()));
  return tree;
}
