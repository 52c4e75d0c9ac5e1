import assert from "node:assert/strict";
import { createReadStream, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon } from "../../lab/daemon.js";
import { repositoryRoot } from "../../lab/repository.js";
import { inspectArchive } from "../../src/checkpoint/index.js";
import { LayoutStore } from "../../src/content/index.js";
import {
  type Client,
  type Container,
  isFailedPrecondition,
  isNotFound,
  isUnavailable,
  streamIO,
} from "../../src/index.js";
import { assertNothingLeft } from "../daemon/audit.js";
import { clientFor } from "../daemon/client.js";
import { countOf, countsBeyond, discard, IMAGE, start, upperOf } from "../daemon/counter.js";
import { describeOnEachDaemon } from "../daemon/releases.js";
import { type Printed, type RunOptions, runExample } from "./run-example.js";

const LONGEST = 50;

/** What a case has: a client of its own, and a way to run the example against the same daemon. */
interface Stage {
  readonly client: Client;
  readonly address: string;
  readonly run: (options?: RunOptions) => Promise<Printed>;
}

/** Counts on its output until there is a file /end, so that what is lost, repeated or begun anew shows. */
const COUNT_ALOUD = ["sh", "-c", "i=0; until [ -e /end ]; do i=$((i+1)); echo $i; sleep 0.05; done"];

async function counting(client: Client, id: string): Promise<Container> {
  const { container } = await start(client, id);
  await countsBeyond(client, container, 2);
  return container;
}

/** Does something again and again while an example runs. */
async function whileRunning<T>(example: Promise<T>, act: () => Promise<void>): Promise<T> {
  let settled = false;
  const over = () => {
    settled = true;
  };
  example.then(over, over);
  while (!settled) {
    await act();
    await sleep(50);
  }
  return example;
}

/** Lets a container that counts aloud end, once it runs. */
async function end(client: Client, id: string): Promise<void> {
  try {
    const task = await (await client.containers.get(id)).task();
    if ((await task.status()).status !== "running") return;
    const touch = await task.exec("end", ["touch", "/end"]);
    await touch.start();
    await touch.wait();
    await touch.delete();
  } catch (reason) {
    // It is not there yet, or gone already, or was gone when it came to it; its shim with it, when that happens meanwhile.
    if (!isNotFound(reason) && !isUnavailable(reason) && !isFailedPrecondition(reason)) throw reason;
  }
}

/** One for each file in examples/. */
const cases: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  "back-up-images": async ({ client, run }) => {
    const container = await counting(client, "b");
    const { target } = await container.checkpoint("b:frozen");
    const base = (await client.images.get(IMAGE)).target;
    const directory = await mkdtemp(join(tmpdir(), "back-up-"));
    try {
      const names = `${IMAGE} is ${base.digest}\n`;
      const first = await run({ args: [directory, IMAGE] });
      assert.match(first.stdout, new RegExp(`^${IMAGE}: 4 blobs with [1-9]\\d* bytes came, 0 were there\n${names}$`));
      const { stdout } = await run({ args: [directory, IMAGE, "b:frozen"] });
      const again = `${IMAGE}: 0 blobs with 0 bytes came, 4 were there\n`;
      const came = "b:frozen: [1-9] blobs with [1-9]\\d* bytes came, 4 were there\n";
      assert.match(stdout, new RegExp(`^${again}${came}${names}b:frozen is ${target.digest}\n$`));
      await client.images.delete("b:frozen", { sync: true });
      const layout = await LayoutStore.open(directory);
      await client.images.copyFrom(layout, [{ name: "b:frozen", target: await layout.index.resolve("b:frozen") }]);
      const copy = await client.restore("b-2", "b:frozen");
      await (await copy.newTask({ checkpoint: "b:frozen" })).start();
      await countsBeyond(client, copy, await countOf(client, copy));
    } finally {
      await rm(directory, { recursive: true });
    }
  },

  checkpoint: async ({ client, run }) => {
    const container = await counting(client, "c");
    const { stdout } = await run({ args: ["c", "c:frozen"] });
    const image = await client.images.get("c:frozen");
    for (const part of ["memory", "changed files", "spec", "criu options", "base image"]) {
      assert.match(stdout, new RegExp(`^${part} +[1-9]\\d* bytes  sha256:[0-9a-f]{64}$`, "m"));
    }
    assert.match(stdout, /^prepare\npause\ncapture\n/);
    assert.match(stdout, new RegExp(`^c:frozen is ${image.target.digest}$`, "m"));
    assert.match(stdout, /^paused for \d+\.\d ms of \d+\.\d ms$/m);
    await countsBeyond(client, container, await countOf(client, container));
  },

  embedded: async ({ run }) => {
    const { stdout } = await run();
    const numbers = stdout.match(/\d+$/gm)?.map(Number) ?? [];
    assert.deepEqual(numbers.slice(0, 3), [1, 2, 3]);
    const [first = 0, ...more] = numbers.slice(3);
    assert.ok(first > 3, `${stdout}: it began anew`);
    assert.deepEqual(
      more,
      more.map((_, at) => first + 1 + at),
    );
    assert.equal(stdout.match(/^counter-2 says \d+$/gm)?.length, numbers.length - 3);
  },

  "export-checkpoint": async ({ client, run }) => {
    const container = await counting(client, "x");
    const { target, task } = await container.checkpoint("x:frozen");
    const directory = await mkdtemp(join(tmpdir(), "export-"));
    const file = join(directory, "x.tar");
    try {
      const { stdout } = await run({ args: ["x:frozen", file] });
      for (const part of [target, task]) assert.ok(stdout.includes(`${part?.digest} ${part?.size} bytes\n`), stdout);
      await client.images.delete("x:frozen", { sync: true });
      await client.images.importFile(file);
      const copy = await client.restore("x-2", "x:frozen");
      await (await copy.newTask({ checkpoint: "x:frozen" })).start();
      await countsBeyond(client, copy, await countOf(client, copy));
    } finally {
      await rm(directory, { recursive: true });
    }
  },

  images: async ({ client, run }) => {
    const { target } = await client.images.get(IMAGE);
    const { config, layers } = await (await client.images.get(IMAGE)).manifest();
    assert.equal((await run()).stdout, `${IMAGE}  ${target.digest}\n`);
    const line = ({ digest, size, mediaType }: typeof target) =>
      `${digest.slice(0, 19)}  ${size} bytes  ${mediaType}\n`;
    const graph = [line(target), ...[config, ...layers].map((one) => `  ${line(one)}`)].join("");
    assert.equal((await run({ args: [IMAGE] })).stdout, graph);
  },

  "export-archive": async ({ client, run }) => {
    await (await counting(client, "x")).checkpoint("x:frozen");
    const directory = await mkdtemp(join(tmpdir(), "export-archive-"));
    try {
      const archive = join(directory, "x.tar");
      const { stdout } = await run({ args: ["x:frozen", archive] });
      assert.equal(stdout, `${archive} is ready: podman container restore --import ${archive}\n`);
      const { origin, runtime } = await inspectArchive(() => createReadStream(archive));
      assert.deepEqual([origin.engine, runtime.name], ["podman", "runc"]);
    } finally {
      await rm(directory, { recursive: true });
    }
  },

  "import-archive": async ({ client, run }) => {
    const container = await counting(client, "y");
    await container.checkpoint("y:frozen");
    const count = await countOf(client, container);
    const directory = await mkdtemp(join(tmpdir(), "import-archive-"));
    try {
      const archive = join(directory, "y.tar");
      await client.exportArchive("y:frozen", { engine: "podman", to: archive });
      const { stdout } = await run({ args: [archive, "z"] });
      const lines = stdout.trim().split("\n");
      assert.equal(lines[0], `made by podman of ${IMAGE}`);
      assert.ok(lines.includes("left out: annotation io.container.manager: the policy does not allow it"), stdout);
      assert.match(lines.at(-1) ?? "", /^z runs on as process \d+$/);
      await countsBeyond(client, await client.containers.get("z"), count);
    } finally {
      await rm(directory, { recursive: true });
    }
  },

  "inspect-archive": async ({ run }) => {
    const directory = join(repositoryRoot(), "test/fixtures/archives");
    const { stdout } = await run({ args: [join(directory, "podman-crun-gzip-tcp.tar.gz")] });
    assert.match(stdout, /^container {2}t-crun 50c1f1ba845b[0-9a-f]{52}$/m);
    assert.match(stdout, /^captured {3}unknown by podman with crun$/m);
    assert.match(stdout, /^network {4}eth0 10\.88\.0\.25\/16$/m);
    assert.match(stdout, /^ {4}3 nc 127\.0\.0\.1 9000$/m);
    assert.match(stdout, /^ {8}3 INETSK to 127\.0\.0\.1 port 9000$/m);
    const docker = await run({ args: [join(directory, "docker-container-dir.tar.gz"), "live1"] });
    assert.match(docker.stdout, /^ {4}17 sleep 0\.5$/m);
  },

  "inspect-checkpoint": async ({ client, run }) => {
    const container = await counting(client, "i");
    const checkpoint = await container.checkpoint("i:frozen");
    const { stdout } = await run({ args: ["i:frozen"] });
    assert.match(stdout, /^container {4}i$/m);
    assert.match(stdout, new RegExp(`^base image   ${IMAGE} ${checkpoint.image.digest}$`, "m"));
    assert.match(stdout, /^runtime {6}io\.containerd\.runc\.v2, snapshotter overlayfs$/m);
    assert.match(stdout, new RegExp(`^memory       ${checkpoint.task?.size} bytes$`, "m"));
    assert.match(stdout, / {2}(?:checkpoint\/)?pages-1\.img {2}[1-9]\d* bytes$/m);
  },

  "move-checkpoint": async ({ address, client, run }) => {
    const container = await counting(client, "m");
    const { target } = await container.checkpoint("m:frozen");
    const frozenBy = await countOf(client, container);
    const there = client.inNamespace("moved");
    try {
      const { stdout } = await run({ args: ["m:frozen", address, "moved", "m"] });
      assert.match(
        stdout,
        new RegExp(`^m:frozen is ${target.digest}\\n[1-9]\\d* bytes sent\\nm goes on as process \\d+\\n$`),
      );
      const copy = await there.containers.get("m");
      const count = await countOf(there, copy);
      assert.ok(count >= 2 && count < frozenBy + 200, `${frozenBy} → ${count}: it began anew or jumped`);
      await countsBeyond(there, copy, count);
      await countsBeyond(client, container, frozenBy);
    } finally {
      for await (const copy of there.containers.list()) await discard(copy);
      for await (const image of there.images.list()) await image.delete({ sync: true });
    }
  },

  readme: async ({ client, run }) => {
    const container = await counting(client, "counter");
    const { stdout } = await run();
    assert.match(stdout, /^paused for [\d.]+ ms, [1-9]\d* bytes of memory$/m);
    const copy = await client.containers.get("counter-2");
    await countsBeyond(client, copy, await countOf(client, copy));
    await countsBeyond(client, container, await countOf(client, container));
  },

  restore: async ({ client, run }) => {
    const container = await client.containers.create("r", { image: IMAGE, args: COUNT_ALOUD });
    const task = await container.newTask({ io: streamIO() });
    let heard = "";
    task.io.stdout?.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
    task.io.stderr?.resume();
    await task.start();
    while (heard.split("\n").length < 5) await sleep(50);
    await container.checkpoint("r:frozen");
    await task.delete({ force: true });
    const frozenBy = heard.trimEnd().split("\n").length;
    const { stdout, stderr } = await whileRunning(run({ args: ["r:frozen", "r-2"] }), () => end(client, "r-2"));
    const numbers = stdout.trimEnd().split("\n").map(Number);
    const first = numbers[0] ?? 0;
    assert.ok(first > 1 && first <= frozenBy + 1, `${frozenBy} → ${numbers.join()}: it did not go on`);
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => first + at),
    );
    assert.match(stderr, /^r-2 goes on as process \d+\nr-2 ended with 0\n$/);
    await assert.rejects(client.containers.get("r-2"), { code: "not_found" });
  },

  "named-checkpoints": async ({ client, run }) => {
    const container = await counting(client, "n");
    for (const name of ["n1", "n2", "n3"]) await run({ args: ["n", "create", name] });
    const { stdout } = await run({ args: ["n", "create", "n4"] });
    assert.match(stdout, /^n1 is gone: it is none of the newest 3\nn2, \d+ bytes\nn3, \d+ bytes\nn4, \d+ bytes\n$/);
    const before = await countOf(client, container);
    const again = await run({ args: ["n", "restart", "n4"] });
    assert.match(again.stdout, /^n2, .*\nn3, .*\nn4, .*\n$/);
    await countsBeyond(client, container, before);
    await container.checkpoints.prune({ keepLast: 0 });
  },

  rewind: async ({ client, run }) => {
    const container = await counting(client, "w");
    await container.setLabels({ kept: "yes" });
    const good = await run({ args: ["w", "sh", "-c", "echo fine > /good; echo done"] });
    assert.equal(good.stdout, "done\nsh succeeded, w runs on\n");
    const bad = await run({ args: ["w", "sh", "-c", "rm /good; echo oops >&2; exit 3"] });
    assert.equal(bad.stdout, "sh failed with 3, w is as it was before\n");
    assert.equal(bad.stderr, "oops\n");
    const restored = await client.containers.get("w");
    assert.equal(readFileSync(join(await upperOf(client, restored), "good"), "utf8"), "fine\n");
    assert.deepEqual((await restored.info()).labels, { kept: "yes" });
    await countsBeyond(client, restored, await countOf(client, restored));
  },

  run: async ({ run }) => {
    const piped = await run({ args: [IMAGE, "sh", "-c", "cat; echo oops >&2; exit 7"], input: "hello\n", code: 7 });
    assert.deepEqual(piped, { stdout: "hello\n", stderr: "oops\n" });
    const unread = await run({ args: [IMAGE, "echo", "hi"] });
    assert.deepEqual(unread, { stdout: "hi\n", stderr: "" });
  },

  watch: async ({ client, run }) => {
    const container = await client.containers.create("e", { image: IMAGE, args: ["sh", "-c", "exit 5"] });
    // The daemon does not say when it listens: something happens until it was seen.
    const { stdout } = await whileRunning(run({ args: ["e"] }), async () => {
      const task = await container.newTask();
      await task.start();
      await task.wait();
      await task.delete();
    });
    assert.match(
      stdout,
      /^\S+Z \/tasks\/start e\n(?:.*\n)?\S+Z \/tasks\/exit e with 5\n$|^\S+Z \/tasks\/exit e with 5\n$/,
    );
  },
};

describe("examples/", () => {
  const files = readdirSync(join(repositoryRoot(), "examples"));

  it("have a test each", () => {
    assert.deepEqual(
      files.toSorted(),
      Object.keys(cases)
        .map((name) => `${name}.ts`)
        .toSorted(),
    );
  });

  it(`have at most ${LONGEST} lines, and say first what they do and how they are called`, () => {
    for (const file of files) {
      const source = readFileSync(join(repositoryRoot(), "examples", file), "utf8");
      assert.ok(source.trimEnd().split("\n").length <= LONGEST, `${file} has more than ${LONGEST} lines`);
      const called = file.replace(/\.ts$/, ".js").replaceAll(".", "\\.");
      assert.match(source, new RegExp(`^// [A-Z].*\\.\n// node ${called}.*\nimport `), `${file} begins otherwise`);
    }
  });
});

describeOnEachDaemon("examples/", (daemon: () => Daemon) => {
  let client: Client;
  before(async () => {
    client = await clientFor(daemon(), "examples");
  });
  after(() => client.close());
  afterEach(async () => {
    for await (const container of client.containers.list()) await discard(container);
    for await (const image of client.images.list())
      if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
    await assertNothingLeft(daemon(), client);
  });

  for (const [name, check] of Object.entries(cases)) {
    it(`${name}.ts`, async () => {
      const where = { address: daemon().address, namespace: client.namespace };
      await check({ client, address: where.address, run: (options) => runExample(name, where, options) });
    });
  }
});
