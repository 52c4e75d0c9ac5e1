import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, it } from "node:test";
import { readBlob } from "../../src/content/index.js";
import { type Client, type Container, withCheckpointTaskExit } from "../../src/index.js";
import { type Descriptor, parseIndex } from "../../src/oci/index.js";
import { assertNothingLeft } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SILENT_COUNT } from "./silent-counter.js";

describeOnEachDaemon("with ctr", (daemon) => {
  let client: Client;
  let containers: Container[] = [];
  let serial = 0;
  const next = () => `x${++serial}`;
  const ctr = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon().ctr(["-n", client.namespace, ...args]);
    assert.equal(code, 0, `ctr ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  // ctr does not look for a task between vfork and exec, so where ctr dumps, the task must not fork.
  const counting = async (args?: readonly string[]) => {
    const { container, task } = await start(client, next(), args);
    containers.push(container);
    await countsBeyond(client, container, 2);
    return { container, task };
  };

  before(async () => {
    client = await clientFor(daemon(), "ctr");
  });
  after(() => client.close());
  beforeEach(() => {
    containers = [];
  });
  afterEach(async () => {
    for (const container of containers) await discard(container);
    for await (const image of client.images.list())
      if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
    await assertNothingLeft(daemon(), client);
  });

  it("ctr restores what we checkpointed, and it counts on", async () => {
    const { container } = await counting();
    await container.checkpoint("cp:ours", [withCheckpointTaskExit()]);
    const frozen = await countOf(client, container);
    const id = container.id;
    await discard(container);
    containers = [];
    await ctr("containers", "restore", "--live", "--rw", id, "cp:ours");
    const restored = await client.containers.get(id);
    containers.push(restored);
    await countsBeyond(client, restored, frozen);
  });

  it("we restore what ctr checkpointed, and it counts on", async () => {
    const { container } = await counting(SILENT_COUNT);
    await ctr("containers", "checkpoint", "--image", "--rw", "--task", container.id, "cp:ctr");
    const restored = await client.restore(next(), "cp:ctr");
    containers.push(restored);
    const task = await restored.newTask({ checkpoint: "cp:ctr" });
    await task.start();
    await countsBeyond(client, restored, await countOf(client, restored));
    await countsBeyond(client, container, await countOf(client, container));
  });

  it("we restore what ctr checkpointed without the image", async () => {
    const { container } = await counting(SILENT_COUNT);
    await ctr("containers", "checkpoint", "--rw", "--task", container.id, "cp:ctr");
    const restored = await client.restore(next(), "cp:ctr");
    containers.push(restored);
    const task = await restored.newTask({ checkpoint: "cp:ctr" });
    await task.start();
    await countsBeyond(client, restored, await countOf(client, restored));
  });

  it("we restore what ctr's task checkpoint made, which ctr itself cannot", async () => {
    const { container } = await counting(SILENT_COUNT);
    await ctr("tasks", "checkpoint", container.id);
    const names: string[] = [];
    for await (const { name } of client.images.list())
      if (name.startsWith("containerd.io/checkpoint/")) names.push(name);
    const [name] = names;
    assert.ok(name);
    const restored = await client.restore(next(), name);
    containers.push(restored);
    const task = await restored.newTask({ checkpoint: name });
    await task.start();
    await countsBeyond(client, restored, await countOf(client, restored));
  });

  it("our index differs from ctr's in annotations of ours only", async () => {
    const { container } = await counting(SILENT_COUNT);
    // ctr first: on 1.6 and 1.7 a second checkpoint of one container loses its memory with ctr, though not with us.
    await ctr("containers", "checkpoint", "--image", "--rw", "--task", container.id, "cp:ctr");
    const ours = await container.checkpoint("cp:ours");
    const theirs = await client.images.get("cp:ctr");
    const shape = async (target: Descriptor) => {
      const { manifests, annotations = {}, ...rest } = parseIndex(await readBlob(client.content, target));
      return {
        rest,
        parts: manifests.map(({ mediaType, platform, annotations: own }) => ({ mediaType, platform, own })),
        annotations: Object.fromEntries(
          Object.entries(annotations).filter(([key]) => !key.startsWith("containerd-client.")),
        ),
      };
    };
    assert.deepEqual(await shape(ours.target), await shape(theirs.target));
  });
});
