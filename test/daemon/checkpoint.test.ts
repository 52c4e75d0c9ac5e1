import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { chmod, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { before, describe, it } from "node:test";
import { CheckpointMediaType } from "../../src/checkpoint/media-types.js";
import { readBlob, writeBlob } from "../../src/content/index.js";
import {
  Client,
  isAlreadyExists,
  isCheckpointInProgress,
  isFailedPrecondition,
  isNotFound,
  isNotImplemented,
  unixTransport,
  withCheckpointAnnotations,
  withCheckpointImage,
  withCheckpointLabels,
  withCheckpointPart,
  withCheckpointRuntime,
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
  withCheckpointWay,
} from "../../src/index.js";
import { digester } from "../../src/oci/digest.js";
import { readTar } from "../../src/tar/tar.js";
import { seen } from "./audit.js";
import { ContainerBed } from "./container-bed.js";
import { countOf, countsBeyond, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SILENT_COUNT } from "./silent-counter.js";

describeOnEachDaemon("checkpoint", (daemon) => {
  const bed = new ContainerBed(daemon, "checkpoint");
  const { next, keep, counting } = bed;
  let client: Client;
  before(() => {
    client = bed.client;
  });

  it("captures everything and leaves the task running", async () => {
    const { container, task } = await counting();
    const checkpoint = await container.checkpoint("cp:1");
    assert.equal((await task.status()).status, "running");
    await countsBeyond(client, container, await countOf(client, container));
    for (const part of [
      checkpoint.task,
      checkpoint.rw,
      checkpoint.spec,
      checkpoint.criuOptions,
      checkpoint.image.descriptor,
    ]) {
      assert.ok(part);
      assert.equal((await client.content.info(part.digest)).size, part.size);
    }
    assert.ok(checkpoint.cost.pausedMs > 0 && checkpoint.cost.pausedMs < checkpoint.cost.totalMs);
    assert.equal(checkpoint.cost.bytes.task, checkpoint.task?.size);
    assert.deepEqual(checkpoint.leftBehind, []);
    assert.equal((await client.images.get("cp:1")).target.digest, checkpoint.target.digest);
  });

  it("keeps its blobs from the garbage collector through the index alone", async () => {
    const { container } = await counting();
    const checkpoint = await container.checkpoint("cp:1");
    const lease = await client.leases.create();
    await client.leases.delete(lease, { sync: true });
    const { labels } = await client.content.info(checkpoint.target.digest);
    const parts = [
      checkpoint.image.descriptor,
      checkpoint.rw,
      checkpoint.task,
      checkpoint.spec,
      checkpoint.criuOptions,
    ];
    const refs = Object.entries(labels).filter(([key]) => key.startsWith("containerd.io/gc.ref.content."));
    const digests = parts.map((part) => part?.digest ?? "");
    assert.deepEqual(new Set(refs.map(([, digest]) => digest)), new Set(digests));
    for (const part of parts) {
      assert.ok(part);
      await client.content.info(part.digest);
    }
  });

  it("makes a second checkpoint of one container as whole as the first", async () => {
    const { container } = await counting();
    const first = await container.checkpoint("cp:1");
    await countsBeyond(client, container, await countOf(client, container));
    const second = await container.checkpoint("cp:2");
    assert.ok(first.task && second.task);
    assert.notEqual(second.task.digest, first.task.digest);
    assert.equal(second.spec?.digest, first.spec?.digest);
    assert.equal((await client.content.info(second.task.digest)).size, second.task.size);
    assert.equal(second.task.mediaType, CheckpointMediaType.task);
  });

  it("makes a third once the first two are deleted", async () => {
    const { container } = await counting();
    for (const ref of ["cp:1", "cp:2"]) {
      await container.checkpoint(ref);
      await client.images.delete(ref, { sync: true });
    }
    const third = await container.checkpoint("cp:3");
    assert.ok(third.task);
    await client.content.info(third.task.digest);
  });

  it("gives the same index in every order of options", async () => {
    const { container, task } = await counting();
    const options = [withCheckpointTask(), withCheckpointRW(), withCheckpointImage(), withCheckpointRuntime()];
    await using _pause = await task.pause();
    const kinds = [];
    for (const [at, order] of [
      options,
      options.toReversed(),
      [1, 3, 0, 2].map((n) => options[n] ?? withCheckpointRW()),
    ].entries()) {
      const { target } = await container.checkpoint(`cp:${at}`, order);
      const index = JSON.parse(Buffer.from(await readBlob(client.content, target)).toString()) as {
        manifests: { mediaType: string }[];
        annotations: Record<string, string>;
      };
      kinds.push([index.manifests.map(({ mediaType }) => mediaType), Object.keys(index.annotations)]);
    }
    assert.deepEqual(kinds[1], kinds[0]);
    assert.deepEqual(kinds[2], kinds[0]);
  });

  for (const [compression, mediaType] of [
    ["gzip", "application/vnd.oci.image.layer.v1.tar+gzip"],
    ["zstd", "application/vnd.oci.image.layer.v1.tar+zstd"],
    ["none", "application/vnd.oci.image.layer.v1.tar"],
  ] as const) {
    it(`packs the rw layer as ${compression}`, async () => {
      const { container } = await counting();
      if (compression === "zstd" && daemon().release !== "v21") {
        const paused = await seen(client, "/tasks/paused", () =>
          assert.rejects(container.checkpoint("cp:1", [withCheckpointRW(compression)]), isNotImplemented),
        );
        assert.deepEqual(paused, [], "refused before anything was frozen");
        return;
      }
      const { rw, task } = await container.checkpoint("cp:1", [withCheckpointRW(compression)]);
      assert.equal(rw?.mediaType, mediaType);
      assert.equal(task, undefined);
    });
  }

  it("ends the task when asked, after the checkpoint is registered", async () => {
    const { container, task } = await counting();
    const topics: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { topic } of client.events(["/tasks/exit", "/images/create"], { signal: stop.signal })) {
        topics.push(topic);
        if (topics.length === 2) return;
      }
    })();
    await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
    assert.equal((await task.status()).status, "stopped");
    await watching;
    assert.deepEqual(topics, ["/images/create", "/tasks/exit"]);
    stop.abort();
  });

  it("refuses a taken name before anything is frozen, and does not end the task", async () => {
    const { container, task } = await counting();
    const paused = await seen(client, "/tasks/paused", () =>
      assert.rejects(container.checkpoint(IMAGE, [withCheckpointTaskExit()]), isAlreadyExists),
    );
    assert.deepEqual(paused, []);
    assert.equal((await task.status()).status, "running");
  });

  it("leaves a task paused that was paused before", async () => {
    const { container, task } = await counting();
    const pause = await task.pause();
    const { task: dump, cost } = await container.checkpoint("cp:1");
    assert.ok(dump);
    assert.equal(cost.pausedMs, 0);
    assert.equal((await task.status()).status, "paused");
    await pause[Symbol.asyncDispose]();
    assert.equal((await task.status()).status, "running");
  });

  it("captures a container without a task: image and files", async () => {
    const container = await client.containers.create(next(), { image: IMAGE });
    keep(container);
    const checkpoint = await container.checkpoint("cp:1");
    assert.equal(checkpoint.task, undefined);
    assert.ok(checkpoint.rw);
    await assert.rejects(container.checkpoint("cp:2", [withCheckpointTask()]), isFailedPrecondition);
  });

  it("refuses a task that is not running", async () => {
    const container = await client.containers.create(next(), { image: IMAGE, args: ["sleep", "1000"] });
    keep(container);
    const task = await container.newTask();
    await assert.rejects(container.checkpoint("cp:1"), isFailedPrecondition);
    await task.start();
    await task.kill("SIGKILL");
    await task.wait();
    await assert.rejects(container.checkpoint("cp:1"), isFailedPrecondition);
  });

  it("refuses a container that is not there", async () => {
    await assert.rejects(
      client.containers.get("nobody").then((one) => one.checkpoint("cp:1")),
      isNotFound,
    );
  });

  it("finds the base image under another name, says when there is none, and can do without it", async () => {
    const { container } = await counting();
    const { target } = await client.images.get(IMAGE);
    await using lease = await client.leases.create();
    await client.leases.addResource(lease, { type: "content", id: target.digest });
    await client.images.create("docker.io/library/elsewhere:1", target);
    await client.images.delete(IMAGE);
    try {
      const found = await container.checkpoint("cp:1");
      assert.equal(found.image.descriptor?.digest, target.digest);
      assert.equal(found.image.name, IMAGE);
      await client.images.delete("cp:1");
      await client.images.delete("docker.io/library/elsewhere:1", { sync: true });
      await assert.rejects(container.checkpoint("cp:2"), isNotFound);
      const checkpoint = await container.checkpoint("cp:2", [withCheckpointTask(), withCheckpointRW()]);
      assert.ok(checkpoint.image.chainId);
      assert.equal(checkpoint.image.digest, undefined);
    } finally {
      await client.images.create(IMAGE, target);
    }
  });

  it("lets exactly one of two checkpoints to one name win", async () => {
    const [one, two] = [await counting(), await counting()];
    const results = await Promise.allSettled([one.container.checkpoint("cp:1"), two.container.checkpoint("cp:1")]);
    const won = results.filter(({ status }) => status === "fulfilled");
    const lost = results.find((result) => result.status === "rejected");
    assert.equal(won.length, 1);
    assert.ok(isCheckpointInProgress(lost?.reason) || isAlreadyExists(lost?.reason), String(lost?.reason));
    for (const { task } of [one, two]) assert.equal((await task.status()).status, "running");
  });

  it("waits for a moment criu can dump: a shell that vforks without end", async () => {
    const { container } = await counting([
      "sh",
      "-c",
      "i=0; while :; do i=$((i+1)); echo $i > /count; /bin/true; done",
    ]);
    for (let at = 0; at < 15; at++) {
      await container.checkpoint(`cp:${at}`, [withCheckpointTask()]);
      await client.images.delete(`cp:${at}`, { sync: true });
    }
  });

  it("includes parts, annotations and labels of the caller's own", async () => {
    const { container } = await counting();
    const checkpoint = await container.checkpoint("cp:1", [
      withCheckpointRW(),
      withCheckpointPart(({ content, ref, containerId }, call) =>
        writeBlob(content, Buffer.from(`notes on ${containerId}`), { mediaType: "text/plain", ref }, call),
      ),
      withCheckpointAnnotations({ "org.example.why": "test" }),
      withCheckpointLabels({ "org.example.keep": "yes" }),
    ]);
    assert.deepEqual(
      checkpoint.others.map(({ mediaType }) => mediaType),
      ["text/plain"],
    );
    assert.equal(checkpoint.annotations["org.example.why"], "test");
    assert.equal((await client.images.get("cp:1")).labels["org.example.keep"], "yes");
  });

  it("keeps the memory of a task that criu had to end, when the name was taken meanwhile", async () => {
    const { container, task } = await counting();
    const { target } = await client.images.get(IMAGE);
    const attempt = container.checkpoint("cp:1", [withCheckpointTask({ openTcp: true }), withCheckpointTaskExit()], {
      onProgress: ({ phase }) => {
        if (phase === "capture") void client.images.create("cp:1", target);
      },
    });
    const failure = await attempt.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(isAlreadyExists(failure));
    assert.equal((await task.status()).status, "stopped");
    const [left = ""] = failure.operation?.leftBehind ?? [];
    const [, id = "", digest = ""] = /^lease (\S+): it keeps (\S+),/.exec(left) ?? [];
    assert.equal((await client.content.info(digest as `sha256:${string}`)).digest, digest, left);
    await client.leases.delete({ id }, { sync: true });
  });

  describe("through a directory", () => {
    const home = () => join(daemon().root, "containerd-client", client.namespace);
    const dumps = () => readdir(home()).catch(() => []);

    it("packs the memory while the task runs on, and it thaws like any other", async () => {
      const { container } = await counting();
      for (const ref of ["cp:1", "cp:2"]) {
        const { cost, leftBehind } = await container.checkpoint(ref);
        assert.equal(cost.way, "directory");
        assert.ok(cost.packMs > 0);
        assert.ok(cost.dumpMs > 0 && cost.dumpMs < cost.pausedMs);
        assert.deepEqual(leftBehind, []);
        assert.deepEqual(await dumps(), []);
      }
      const copy = await client.restore(next(), "cp:2");
      keep(copy);
      const thawed = await copy.newTask({ checkpoint: "cp:2" });
      await thawed.start();
      await countsBeyond(client, copy, await countOf(client, copy));
    });

    it("makes the same parts and the same dump as the daemon's way", async () => {
      const { container, task } = await counting();
      await using _pause = await task.pause();
      const members = async (way: "directory" | "daemon") => {
        const { task: dump, cost } = await container.checkpoint(`cp:${way}`, [withCheckpointWay(way)]);
        assert.equal(cost.way, way);
        assert.ok(dump);
        const found: string[] = [];
        for await (const { name, type, mode, uid, gid } of readTar(client.content.read(dump))) {
          found.push([name, type, mode, uid, gid].join(" "));
        }
        return found.sort();
      };
      const ours = await members("directory");
      assert.ok(ours.length > 10, ours.join("\n"));
      assert.deepEqual(ours, await members("daemon"));
    });

    it("packs the same changes as the daemon does while the task stands still", async () => {
      const changes = [
        "rm /bin/[ && rm -r /etc && mkdir /etc && echo new > /etc/new",
        "chmod 4711 /bin/busybox && touch /owned && chown 7:8 /owned",
        "mkdir -p /deep/er && ln -s ../nowhere /deep/link && mkfifo /deep/fifo && touch -d @1 /deep/old",
        "echo one > /one && ln /one /deep/two && dd if=/dev/zero of=/sparse bs=1 count=1 seek=5M",
        "rm -r /tmp; cd /deep && mkdir $(printf %0200d 0) && mv er 'with space, and:comma' && echo 1 > /count",
      ].join(" && ");
      const { container } = await start(client, next(), ["sh", "-c", `(${changes}); while :; do sleep 1; done`]);
      keep(container);
      await countOf(client, container);
      const changed = async (way: "directory" | "daemon") => {
        let copied: string[] = [];
        const { rw, cost } = await container.checkpoint(`cp:${way}`, [withCheckpointWay(way)], {
          onProgress: ({ phase }) => {
            if (phase === "write") copied = readdirSync(home(), { recursive: true, encoding: "utf8" });
          },
        });
        assert.equal(cost.way, way);
        assert.equal(copied.filter((path) => path.endsWith("/upper/etc/new")).length, way === "directory" ? 1 : 0);
        assert.ok(rw);
        const found: string[] = [];
        for await (const { body, modifiedAt, ...header } of readTar(client.content.read(rw))) {
          const hash = digester();
          for await (const chunk of body) hash.update(chunk);
          // Of what is deleted, containerd before 2.0 says when it found that out.
          const at = header.name.includes(".wh.") ? {} : { modifiedAt };
          found.push(JSON.stringify({ ...header, ...at, digest: hash.digest() }));
        }
        return found;
      };
      const ours = await changed("directory");
      assert.deepEqual(ours, await changed("daemon"));
      for (const name of ["bin/.wh.[", "etc/.wh.passwd", "etc/new", "deep/two", "sparse"]) {
        assert.ok(
          ours.some((line) => line.includes(`"name":"${name}"`)),
          `${name} in ${ours.join("\n")}`,
        );
      }
    });

    it("keeps the dump to its owner, and takes it away when the call is cut short", async () => {
      const { container, task } = await counting();
      const stop = new AbortController();
      let modes: number[] = [];
      const attempt = container.checkpoint("cp:1", [], {
        signal: stop.signal,
        onProgress: ({ phase }) => {
          if (phase !== "write") return;
          const paths = [dirname(home()), home(), ...readdirSync(home()).map((name) => join(home(), name))];
          modes = paths.map((path) => statSync(path).mode & 0o777);
          stop.abort();
        },
      });
      await assert.rejects(attempt);
      assert.deepEqual(modes, [0o700, 0o700, 0o700]);
      assert.deepEqual(await dumps(), []);
      assert.equal((await task.status()).status, "running");
    });

    it("is refused where somebody else may look in", async () => {
      const { container, task } = await counting();
      await container.checkpoint("cp:1");
      await chmod(home(), 0o755);
      try {
        await assert.rejects(container.checkpoint("cp:2"), (reason) => {
          assert.ok(isFailedPrecondition(reason));
          assert.match(reason.message, /mode 755/);
          assert.equal(reason.operation?.phase, "prepare");
          return true;
        });
        const { cost } = await container.checkpoint("cp:2", [withCheckpointWay("daemon")]);
        assert.equal(cost.way, "daemon");
        assert.equal(cost.packMs, 0);
      } finally {
        await chmod(home(), 0o700);
      }
      assert.equal((await task.status()).status, "running");
    });

    it("is not taken where the daemon's files are another's, and is refused there when asked for", async () => {
      // Whose processes cannot be seen must not fork.
      const { container } = await counting(SILENT_COUNT);
      const apart = new Client({
        transport: { ...unixTransport(daemon().address), local: false },
        namespace: client.namespace,
      });
      const there = await apart.containers.get(container.id);
      assert.equal((await there.checkpoint("cp:1")).cost.way, "daemon");
      await assert.rejects(there.checkpoint("cp:2", [withCheckpointWay("directory")]), isFailedPrecondition);
      await apart.close();
    });

    it("ends the task after it is registered", async () => {
      const { container, task } = await counting();
      const { cost } = await container.checkpoint("cp:1", [withCheckpointTaskExit()]);
      assert.equal(cost.way, "directory");
      assert.equal((await task.status()).status, "stopped");
    });
  });

  describe("progress", () => {
    it("names the phases in their order", async () => {
      const { container } = await counting();
      const phases: string[] = [];
      await container.checkpoint("cp:1", [], {
        onProgress: ({ phase, part }) => {
          if (part === undefined) phases.push(phase);
        },
      });
      assert.deepEqual(phases, ["prepare", "pause", "capture", "resume", "write", "register", "done"]);
    });
  });
});
