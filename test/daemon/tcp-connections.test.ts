import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, it } from "node:test";
import {
  type Client,
  type Container,
  isFailedPrecondition,
  withCheckpointRW,
  withCheckpointTask,
  withCheckpointTaskExit,
  withRestoreCriuConfig,
} from "../../src/index.js";
import { withNamespacePath } from "../../src/oci/index.js";
import { assertNothingLeft, listed, taskState } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start, upperOf } from "./counter.js";
import { NetworkNamespace } from "./network-namespace.js";
import { describeOnEachDaemon } from "./releases.js";

/**
 * A server that counts the lines of a connection, and a client that counts what it sends: what comes back is its number and
 * the server's. Both are the same as long as it is one connection; the first goes to /count.
 */
const TALK = `
  nc -ll -p 7000 -e sh -c 'n=0; while read l; do n=$((n+1)); echo $l $n; done' &
  while ! grep -q :1B58 /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done
  (mkfifo /never; exec 3<>/never; i=0; while :; do i=$((i+1)); echo $i; read -t 0.05 x <&3; done) |
    nc 127.0.0.1 7000 |
    while read mine theirs; do echo $mine > /count; echo $mine $theirs >> /talk; done
`;

describeOnEachDaemon("TCP connections", (daemon) => {
  let client: Client;
  let network: NetworkNamespace;
  let containers: Container[] = [];
  let serial = 0;

  before(async () => {
    client = await clientFor(daemon(), "tcp");
  });
  after(() => client.close());
  beforeEach(async () => {
    network = await NetworkNamespace.make(daemon());
    containers = [];
  });
  afterEach(async () => {
    for (const container of containers) await discard(container);
    for await (const image of client.images.list())
      if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
    // criu leaves its lock in a network namespace when a restore fails there, so each test has one of its own.
    await network[Symbol.asyncDispose]();
    await assertNothingLeft(daemon(), client);
  });

  const keep = (container: Container): Container => {
    containers.push(container);
    return container;
  };

  const talking = async (): Promise<Container> => {
    const spec = [withNamespacePath("network", network.path)];
    const args = ["sh", "-c", TALK];
    const container = keep(await client.containers.create(`t${++serial}`, { image: IMAGE, args, spec }));
    const task = await container.newTask();
    await task.start();
    await countsBeyond(client, container, 2);
    return container;
  };

  const talkOf = async (container: Container): Promise<number[][]> => {
    const text = await readFile(join(await upperOf(client, container), "talk"), "utf8");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(" ").map(Number));
  };

  it("are refused by criu unless it is told to keep them; the task runs on", async () => {
    const container = await talking();
    await assert.rejects(container.checkpoint("cp:1"), (reason) => {
      assert.ok(isFailedPrecondition(reason), String(reason));
      assert.match(reason.criuLog.join("\n"), /Connected TCP socket/);
      assert.match(reason.hint ?? "", /openTcp: true/);
      assert.equal(reason.operation?.phase, "capture");
      assert.equal(reason.operation?.taskStatus, "running");
      return true;
    });
    assert.equal(await taskState(daemon(), client, container.id), "RUNNING");
    await countsBeyond(client, container, await countOf(client, container));
  });

  it("live on in the original, and a restore that would lose them is refused before anything is made", async () => {
    const container = await talking();
    await container.checkpoint("cp:1", [withCheckpointTask({ openTcp: true }), withCheckpointRW()]);
    assert.equal(await taskState(daemon(), client, container.id), "RUNNING");
    await countsBeyond(client, container, await countOf(client, container));
    await refused(`t${++serial}`, "established TCP connections");
  });

  it("go on after a restore where criu is told to keep them", async () => {
    const container = await talking();
    await container.checkpoint("cp:1", [
      withCheckpointTask({ openTcp: true }),
      withCheckpointRW(),
      withCheckpointTaskExit(),
    ]);
    assert.equal(await taskState(daemon(), client, container.id), "STOPPED");
    // The number itself may be frozen while it is written.
    const frozen = (await talkOf(container)).length;
    await discard(container);
    containers = [];

    const config = withRestoreCriuConfig({ directory: daemon().directory });
    const restored = keep(await client.restore(container.id, "cp:1", [config]));
    const written = await readFile(join(daemon().directory, `${container.id}.criu.conf`), "utf8");
    assert.match(written, /^# containerd-client: .*\ntcp-established\n$/);
    const task = await restored.newTask({ checkpoint: "cp:1" });
    await task.start();
    await countsBeyond(client, restored, frozen + 20);
    const talk = await talkOf(restored);
    assert.deepEqual(
      talk,
      talk.map((_, at) => [at + 1, at + 1]),
      "something was lost, or it is another connection",
    );
  });

  it("are not looked for where there are none", async () => {
    const { container } = await start(client, `t${++serial}`);
    keep(container);
    await countsBeyond(client, container, 2);
    await container.checkpoint("cp:1", [withCheckpointTask({ openTcp: true }), withCheckpointRW()]);
    const copy = keep(await client.restore(`t${++serial}`, "cp:1"));
    const task = await copy.newTask({ checkpoint: "cp:1" });
    await task.start();
    await countsBeyond(client, copy, await countOf(client, copy));
  });

  it("are not the only thing that is refused by name: external unix sockets", async () => {
    const { container } = await start(client, `t${++serial}`);
    keep(container);
    await countsBeyond(client, container, 2);
    await container.checkpoint("cp:1", [withCheckpointTask({ externalUnixSockets: true }), withCheckpointRW()]);
    const id = `t${++serial}`;
    await refused(id, "external unix sockets");
    const { directory } = daemon();
    const copy = keep(await client.restore(id, "cp:1", [withRestoreCriuConfig({ directory })]));
    const written = await readFile(join(directory, `${id}.criu.conf`), "utf8");
    assert.match(written, /^# containerd-client: .*\next-unix-sk\n$/);
    const task = await copy.newTask({ checkpoint: "cp:1" });
    await task.start();
    await countsBeyond(client, copy, await countOf(client, copy));
  });

  const refused = async (id: string, what: string) => {
    const seen = () =>
      Promise.all([listed(daemon(), client, "containers", "ls", "-q"), listed(daemon(), client, "snapshots", "ls")]);
    const before = await seen();
    await assert.rejects(client.restore(id, "cp:1"), (reason) => {
      assert.ok(isFailedPrecondition(reason), String(reason));
      assert.ok(reason.message.includes(what), reason.message);
      assert.match(reason.hint ?? "", /withRestoreCriuConfig/);
      return true;
    });
    assert.deepEqual(await seen(), before);
  };
});
