import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { after, afterEach, before, it } from "node:test";
import { busyboxImage } from "../../lab/busybox-image.js";
import type { Client } from "../../src/client/client.js";
import type { CreateContainerOptions } from "../../src/client/create-container.js";
import { streamIO } from "../../src/client/stream-io.js";
import type { UnpackProgress } from "../../src/client/unpack.js";
import {
  AlreadyExistsError,
  DataLossError,
  DeadlineExceededError,
  FailedPreconditionError,
  InvalidArgumentError,
  NotFoundError,
} from "../../src/errors.js";
import { withArgs, withCwd, withEnv } from "../../src/oci/index.js";
import { assertNothingLeft, listed } from "./audit.js";
import { clientFor } from "./client.js";
import { IMAGE } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

describeOnEachDaemon("containers.create", (daemon) => {
  let client: Client;
  before(async () => {
    client = await clientFor(daemon(), "create");
  });
  after(() => client.close());

  /** Makes a container, runs it to its end, removes it, and tells what it printed and how it ended. */
  const run = async (id: string, options: CreateContainerOptions): Promise<{ output: string; exitStatus: number }> => {
    const container = await client.containers.create(id, options);
    try {
      const task = await container.newTask({ io: streamIO() });
      assert.ok(task.io.stdout && task.io.stderr);
      const printed = Promise.all([text(task.io.stdout), text(task.io.stderr)]);
      const exit = task.wait();
      await task.start();
      const { exitStatus } = await exit;
      await task.delete();
      return { output: (await printed).join(""), exitStatus };
    } finally {
      await container.delete({ snapshot: true });
    }
  };
  const shell = (script: string) => ["sh", "-c", script];

  afterEach(async () => {
    assert.deepEqual(await listed(daemon(), client, "containers", "ls", "-q"), []);
    const snapshots = await listed(daemon(), client, "snapshots", "ls");
    assert.deepEqual(
      snapshots.slice(1).filter((line) => !line.endsWith("Committed")),
      [],
    );
    await assertNothingLeft(daemon(), client);
  });

  it("runs an image that was not unpacked yet, and tells how far it is", async () => {
    const image = await busyboxImage(client, "fresh:1", {
      config: { Cmd: ["cat", "/hello"] },
      secondLayer: [{ name: "hello", body: Buffer.from(`hello at ${Date.now()}`) }],
    });
    const { layers } = await image.manifest();
    const seen: UnpackProgress[] = [];
    const { output, exitStatus } = await run("fresh", { image, onProgress: (progress) => seen.push(progress) });
    assert.match(output, /^hello at \d+$/);
    assert.equal(exitStatus, 0);
    const last = { phase: "unpack", layer: 2, of: 2, digest: layers[1]?.digest };
    assert.deepEqual(seen.slice(-2), [
      { ...last, bytes: 0 },
      { ...last, bytes: layers[1]?.size },
    ]);
    const before = seen.length;
    await run("again", { image, onProgress: (progress) => seen.push(progress) });
    assert.equal(seen.length, before);
    await client.images.delete("fresh:1", { sync: true });
  });

  it("takes command, environment and directory from the image, and changes from the caller", async () => {
    const image = await busyboxImage(client, "config:1", {
      config: {
        Entrypoint: ["sh", "-c"],
        Cmd: ["echo $GREETING in $PWD"],
        Env: ["PATH=/bin", "GREETING=hi"],
        WorkingDir: "/data",
      },
    });
    assert.equal((await run("config", { image })).output, "hi in /data\n");
    assert.equal((await run("config", { image: "config:1", args: ["echo other $GREETING"] })).output, "other hi\n");
    const spec = [
      withEnv({ GREETING: "hey" }),
      withCwd("/tmp"),
      withArgs("sh", "-c", "echo $GREETING in $PWD; exit 7"),
    ];
    assert.deepEqual(await run("config", { image, spec }), { output: "hey in /tmp\n", exitStatus: 7 });
    await client.images.delete("config:1");
  });

  it("runs as the image's user, by number or by name, or as the caller's", async () => {
    const who = shell("echo $(id -u):$(id -g) $(id -G)");
    for (const [user, expected] of [
      [undefined, "0:0 0\n"],
      ["1234:5678", "1234:5678 5678\n"],
      ["1000", "1000:1000 1000 50\n"],
      ["app", "1000:1000 1000 50\n"],
      ["app:other", "1000:2000 2000 50\n"],
    ] as const) {
      const name = `user:${user ?? "none"}`.replaceAll(":", "-");
      const image = await busyboxImage(client, name, {
        config: { Cmd: who, ...(user === undefined ? {} : { User: user }) },
      });
      assert.equal((await run("user", { image })).output, expected, `user ${user}`);
      assert.equal((await run("user", { image: IMAGE, args: who, user: user ?? "" })).output, expected);
      await client.images.delete(name);
    }
    const unknown = client.containers.create("user", { image: IMAGE, user: "nobody-here" });
    await assert.rejects(unknown, NotFoundError);
  });

  it("finds users in the topmost layer, packed or plain", async () => {
    const passwd = { name: "etc/passwd", body: Buffer.from("app:x:7:8::/:/bin/sh\n") };
    const image = await busyboxImage(client, "plain:1", {
      compression: "none",
      config: { User: "app", Cmd: ["id", "-u"] },
      secondLayer: [passwd],
    });
    assert.equal((await run("plain", { image })).output, "7\n");
    await client.images.delete("plain:1");
  });

  it("writes a sound spec and a record that says where all came from", async () => {
    const image = await busyboxImage(client, "labels:1", {
      config: { Cmd: ["true"], Labels: { "containerd.io/restart.status": "running", other: "x" } },
    });
    const container = await client.containers.create("labels", { image, labels: { mine: "1" } });
    const record = await container.info();
    assert.deepEqual(record.labels, { mine: "1" });
    assert.deepEqual(
      [record.image, record.snapshotter, record.snapshotKey, record.runtime.name],
      ["labels:1", "overlayfs", "labels", "io.containerd.runc.v2"],
    );
    const { linux, process } = await container.spec();
    assert.equal(linux?.cgroupsPath, "/create/labels");
    assert.deepEqual(linux?.namespaces?.map(({ type }) => type).sort(), ["ipc", "mount", "network", "pid", "uts"]);
    assert.equal(process?.capabilities?.effective?.includes("CAP_SYS_ADMIN"), false);
    await container.delete({ snapshot: true });
    const shared = await client.containers.create("shared", { image, hostNetwork: true });
    const namespaces = (await shared.spec()).linux?.namespaces?.map(({ type }) => type);
    assert.equal(namespaces?.includes("network"), false);
    await shared.delete({ snapshot: true });
    await client.images.delete("labels:1");
  });

  it("takes runtime and snapshotter from the namespace where the caller names none", async () => {
    const other = client.inNamespace("create-defaults");
    await busyboxImage(other, IMAGE);
    await client.namespaces.setLabels("create-defaults", { "containerd.io/defaults/snapshotter": "native" });
    const container = await other.containers.create("native", { image: IMAGE });
    assert.equal((await container.info()).snapshotter, "native");
    await container.delete({ snapshot: true });
    const named = await other.containers.create("named", {
      image: IMAGE,
      snapshotter: "overlayfs",
      runtime: "io.x.v1",
    });
    const { snapshotter, runtime } = await named.info();
    assert.deepEqual([snapshotter, runtime.name], ["overlayfs", "io.x.v1"]);
    await named.delete({ snapshot: true });
    await other.images.delete(IMAGE, { sync: true });
  });

  it("refuses before anything is made what cannot be", async () => {
    const create = (id: string, options: Partial<CreateContainerOptions> = {}) =>
      client.containers.create(id, { image: IMAGE, ...options });
    for (const id of ["", "-a", "a..b", "a/b", "ä", "a".repeat(77)])
      await assert.rejects(create(id), InvalidArgumentError);
    await assert.rejects(create("x", { labels: { long: "x".repeat(4096) } }), InvalidArgumentError);
    await assert.rejects(create("x", { image: "nothing:1" }), NotFoundError);
    await assert.rejects(create("x", { snapshotter: "none" }), FailedPreconditionError);
    await assert.rejects(create("x", { platform: { os: "linux", architecture: "s390x" } }), NotFoundError);
    const fault = new Error("the option's own");
    const option = () => {
      throw fault;
    };
    await assert.rejects(create("x", { spec: [option] }), (reason) => reason === fault);
  });

  it("leaves nothing when it fails halfway, so that the same call can be made at once", async () => {
    const secondLayer = [{ name: "second", body: Buffer.from(`${Date.now()}`) }];
    const diffIds = [`sha256:${"0".repeat(64)}`, `sha256:${"1".repeat(64)}`] as const;
    await busyboxImage(client, "wrong:1", { secondLayer, diffIds });
    await assert.rejects(client.containers.create("half", { image: "wrong:1" }), DataLossError);
    await client.images.delete("wrong:1", { sync: true });
    // The daemon refuses the record of a runtime without a name, and by then the snapshot is there.
    await assert.rejects(client.containers.create("half", { image: IMAGE, runtime: "" }), InvalidArgumentError);
    await client.containers.create("half", { image: IMAGE });
    await client.containers.delete("half", { snapshot: true });
  });

  it("leaves nothing when it is given up at any moment", async () => {
    for (let ms = 0; ms < 40; ms += 2) {
      const stop = new AbortController();
      setTimeout(() => stop.abort(new Error("enough")), ms);
      try {
        await client.containers.create("given-up", { image: IMAGE }, { signal: stop.signal });
        await client.containers.delete("given-up", { snapshot: true });
      } catch (reason) {
        assert.equal((reason as Error).message, "enough");
      }
      assert.deepEqual(await listed(daemon(), client, "containers", "ls", "-q"), []);
    }
    await assert.rejects(
      client.containers.create("given-up", { image: IMAGE }, { timeoutMs: 1 }),
      DeadlineExceededError,
    );
  });

  it("lets exactly one of two callers have an id", async () => {
    const results = await Promise.allSettled([1, 2, 3].map(() => client.containers.create("same", { image: IMAGE })));
    const refused = results.filter((result) => result.status === "rejected");
    assert.equal(refused.length, 2);
    for (const { reason } of refused) assert.ok(reason instanceof AlreadyExistsError, String(reason));
    const container = await client.containers.get("same");
    await client.snapshots().stat("same");
    await container.delete({ snapshot: true });
  });

  it("keeps a snapshot that is not its own", async () => {
    const image = await client.images.get(IMAGE);
    const { chainId = "" } = await image.rootFS();
    await using lease = await client.leases.create();
    await client.snapshots().prepare("theirs", chainId, { lease });
    await assert.rejects(client.containers.create("theirs", { image }), AlreadyExistsError);
    await client.snapshots().stat("theirs");
    await client.snapshots().remove("theirs");
  });
});
