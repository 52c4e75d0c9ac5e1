import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type ArchivePart,
  type CheckpointInspection,
  inspectArchive,
  readArchive,
} from "../../src/checkpoint/index.js";
import { archiveBytes, archiveNames, expectedText } from "../fixtures/checkpoint-archives.js";
import { checkpointctlView, inPidOrder, type Printed, readable, withChildren } from "./checkpointctl-view.js";

async function* pieces(bytes: Uint8Array, step = 10_007): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

const opened = (name: string) => () => pieces(archiveBytes(name));
const secondsOf = (date: Date | undefined) => Math.floor((date?.getTime() ?? Number.NaN) / 1000);
const isDocker = (name: string) => name.startsWith("docker-container");
const isImage = (name: string) => name.endsWith(".oci.tar");

function inspect(name: string): Promise<CheckpointInspection> {
  return inspectArchive(opened(name), isDocker(name) ? { checkpoint: "live1" } : {});
}

/** The lines of checkpointctl's tables, cell by cell. */
function tableOf(text: string): readonly (readonly string[])[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(lines.findIndex((line) => line.startsWith("--")) + 1).map((line) => line.trim().split(/ {2,}/));
}

describe("the archives of real engines", () => {
  const names = archiveNames();

  it("are all there", () => assert.equal(names.length, 18));

  for (const name of names) {
    const listed = expectedText(name, "list.txt");
    if (listed !== undefined && !isImage(name)) {
      it(`${name} has the parts tar lists, in their order`, async () => {
        const lines = listed
          .trim()
          .split("\n")
          .map((line) => /^(.)\S+ +\S+ +(\d+) \S+ \S+ ([^>]+?)(?: -> .*)?$/.exec(line));
        const parts: string[] = [];
        for await (const part of readArchive(opened(name))) parts.push(`${part.size} ${part.name}`);
        assert.deepEqual(
          parts,
          lines.map((found) => `${found?.[2]} ${found?.[3]?.replace(/\/$/, "")}`),
        );
      });
    }

    const inspected = expectedText(name, "inspect.json");
    if (inspected !== undefined) {
      it(`${name} tells what checkpointctl inspect tells`, async () => {
        const [printed] = JSON.parse(inspected) as readonly [Printed];
        const { created, checkpointed, ...expected } = inPidOrder(printed);
        const found = await inspect(name);
        assert.deepEqual(JSON.parse(JSON.stringify(checkpointctlView(found))), expected);
        assert.equal(secondsOf(found.containerCreatedAt), secondsOf(new Date(created)));
        assert.equal(secondsOf(found.createdAt), secondsOf(new Date(checkpointed ?? Number.NaN)));
      });
    }

    const shown = expectedText(name, "show.txt");
    if (shown !== undefined) {
      it(`${name} tells what checkpointctl show tells`, async () => {
        const [container, image, id, runtime, created, engine, size, diff] = tableOf(shown)[0] ?? [];
        const found = await inspect(name);
        const units = ["B", "KiB", "MiB", "GiB"];
        assert.deepEqual(
          [found.containerName, found.image.name, found.containerId?.slice(0, 12), found.runtime.name],
          [container, image, id, runtime],
        );
        assert.equal(found.origin.engine, engine?.toLowerCase());
        assert.equal(secondsOf(found.containerCreatedAt), secondsOf(new Date(created ?? "")));
        assert.equal(readable(found.sizes.checkpoint, units), size);
        assert.equal(readable(found.sizes.rootfsDiff, units), diff ?? "0 B");
      });
    }

    const measured = expectedText(name, "memparse.txt");
    if (measured !== undefined) {
      it(`${name} tells what checkpointctl memparse tells`, async () => {
        const { processes } = await inspect(name);
        const units = ["B", "KiB", "MiB", "GiB"];
        const rows = processes
          .flatMap(withChildren)
          .map((one) => [
            `${one.pid}`,
            one.command,
            readable(one.memoryBytes ?? Number.NaN, units),
            readable(one.sharedMemoryBytes ?? Number.NaN, units),
          ]);
        const lines = (table: readonly (readonly string[])[]) => new Set(table.map((row) => row.join("  ")));
        assert.deepEqual(lines(rows), lines(tableOf(measured)));
      });
    }
  }

  it("that are images tell the same as the archives in them", async () => {
    const [image, archive] = await Promise.all(
      ["checkpointctl-build-containerd.oci.tar", "containerd-cri.tar"].map(inspect),
    );
    assert.ok(image && archive);
    assert.deepEqual({ ...image, annotations: {} }, archive);
    assert.equal(image.annotations["org.criu.checkpoint.container.name"], "c3");
  });

  it("of Podman that are images tell versions, too", async () => {
    const { origin, runtime, image, processes } = await inspect("podman-create-image.oci.tar");
    assert.deepEqual(origin, {
      engine: "podman",
      engineVersion: "5.8.6",
      criuVersion: "4.2.1",
      conmonVersion: "conmon version 2.1.13, commit: unknown",
      kernelVersion: "6.18.44-fc-v669",
      architecture: "x86_64",
      distribution: "debian unknown",
      cgroupVersion: "v1",
    });
    assert.match(runtime.version ?? "", /^crun version 1.28\n/);
    assert.deepEqual(image, {
      name: "localhost/bb:1",
      requestedName: "localhost/bb:1",
      configDigest: "sha256:af8a21334a7356688a229445106894eb0c256fc77adac142b2a904f2290e23b3",
    });
    assert.equal(processes[0]?.command, "sh");
  });

  it("of containerd itself are read from its index", async () => {
    const found = await inspect("containerd-ctr-checkpoint.oci.tar");
    assert.equal(found.origin.engine, "containerd");
    assert.deepEqual(found.runtime, { name: "io.containerd.runc.v2" });
    assert.equal(found.image.name, "localhost/bb:1");
    assert.equal(found.processes[0]?.args?.[0], "sh");
    assert.ok(found.mounts.some(({ destination }) => destination === "/proc"));
    assert.ok(found.sizes.rootfsDiff > 0);
  });

  it("of Docker are read from its directory, whichever of its checkpoints is meant", async () => {
    const live = await inspectArchive(opened("docker-container-dir.tar.gz"), { checkpoint: "live1" });
    const exit = await inspectArchive(opened("docker-container-dir.tar.gz"), { checkpoint: "exit1" });
    const alone = await inspectArchive(opened("docker-checkpoint-exit1.tar"));
    assert.equal(live.containerName, "art");
    assert.equal(live.image.name, "bb:1");
    assert.deepEqual(exit.processes, alone.processes);
    assert.notDeepEqual(live.processes, exit.processes);
    for (const { origin, processes } of [live, exit, alone]) {
      assert.equal(origin.engine, "docker");
      assert.equal(processes[0]?.args?.[0], "sh");
      assert.ok(processes[0]?.env?.includes("FOO=bar"));
      assert.ok(processes[0]?.children[0]?.args?.[0] === "sleep");
    }
    await assert.rejects(
      inspectArchive(opened("docker-container-dir.tar.gz")),
      /several checkpoints, \["exit1","live1"\]/,
    );
    await assert.rejects(inspectArchive(opened("docker-container-dir.tar.gz"), { checkpoint: "x" }), {
      code: "not_found",
    });
  });

  it("that build on another dump say so, and tell all with it at hand", async () => {
    const name = "podman-crun-gzip-with-previous.tar.gz";
    const alone = await inspect(name);
    assert.equal(alone.parent, "../pre-checkpoint");
    const whole = await inspectArchive(opened(name), { previous: [opened("podman-crun-gzip-pre1.tar.gz")] });
    assert.equal(whole.processes[0]?.args?.[0], "sh");
    assert.ok(whole.processes[0]?.env?.some((text) => text.startsWith("PATH=")));
    assert.equal(alone.processes[0]?.args, undefined);
    assert.equal(alone.processes[0]?.children[0]?.args?.[0], "sleep");
  });

  it("that come before the real dump have sizes, and no processes", async () => {
    const { processes, sizes, origin } = await inspect("podman-crun-gzip-pre1.tar.gz");
    assert.deepEqual(processes, []);
    assert.equal(sizes.checkpoint, 0);
    assert.ok(sizes.preCheckpoint > 0);
    assert.equal(origin.engine, "podman");
  });

  it("have names with ./ before them, or not", async () => {
    const { writeTar, readTar } = await import("../../src/tar/tar.js");
    async function* dotted() {
      for await (const { name, size, body, type, mode } of readTar(pieces(archiveBytes("crio.tar")))) {
        yield { name: `./${name}`, size, type, mode, body: () => body };
      }
    }
    const found = await inspectArchive(writeTar(dotted()));
    assert.deepEqual(found, await inspect("crio.tar"));
  });

  it("are images also where directories come first", async () => {
    const { writeTar, readTar } = await import("../../src/tar/tar.js");
    const name = "podman-create-image.oci.tar";
    async function* packedFromInside() {
      yield { name: "./", type: "directory" as const };
      yield { name: "./empty/", type: "directory" as const };
      for await (const entry of readTar(pieces(archiveBytes(name)))) {
        const { size, body, type, mode } = entry;
        if (type === "file") yield { name: `./${entry.name}`, size, type, mode, body: () => body };
      }
    }
    const found = await inspectArchive(() => writeTar(packedFromInside()));
    assert.deepEqual(found, await inspect(name));
  });

  it("give the bodies of their parts", async () => {
    const parts = new Map<string, { readonly part: ArchivePart; readonly bytes: Buffer }>();
    for await (const part of readArchive(opened("podman-crun-zstd-stopped.tar.zst"))) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of part.body) chunks.push(chunk);
      parts.set(part.name, { part, bytes: Buffer.concat(chunks) });
      assert.equal(Buffer.concat(chunks).length, part.size, part.name);
    }
    const deleted = parts.get("deleted.files");
    assert.ok(deleted?.part.kind === "deleted-files");
    assert.deepEqual(deleted.part.paths, ["/data/delete-me", "/data/sub"]);
    assert.deepEqual(JSON.parse(deleted.bytes.toString()), deleted.part.paths);
    assert.equal(parts.get("rootfs-diff.tar")?.bytes.subarray(257, 262).toString(), "ustar");
  });
});
