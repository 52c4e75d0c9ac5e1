import assert from "node:assert/strict";
import { before, it } from "node:test";
import { readBlob } from "../../src/content/index.js";
import { type Client, withCheckpointTaskExit } from "../../src/index.js";
import { type Descriptor, parseIndex } from "../../src/oci/index.js";
import { ContainerBed } from "./container-bed.js";
import { countOf, countsBeyond } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SILENT_COUNT } from "./silent-counter.js";

describeOnEachDaemon("with ctr", (daemon) => {
  const bed = new ContainerBed(daemon, "ctr");
  // ctr does not look for a task between vfork and exec, so where ctr dumps, the task must not fork.
  const { next, keep, counting, drop } = bed;
  let client: Client;
  const ctr = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon().ctr(["-n", client.namespace, ...args]);
    assert.equal(code, 0, `ctr ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  before(() => {
    client = bed.client;
  });

  it("ctr restores what we checkpointed, and it counts on", async () => {
    const { container } = await counting();
    await container.checkpoint("cp:ours", [withCheckpointTaskExit()]);
    const frozen = await countOf(client, container);
    const id = container.id;
    await drop(container);
    await ctr("containers", "restore", "--live", "--rw", id, "cp:ours");
    const restored = await client.containers.get(id);
    keep(restored);
    await countsBeyond(client, restored, frozen);
  });

  it("we restore what ctr checkpointed, and it counts on", async () => {
    const { container } = await counting(SILENT_COUNT);
    await ctr("containers", "checkpoint", "--image", "--rw", "--task", container.id, "cp:ctr");
    const restored = await client.restore(next(), "cp:ctr");
    keep(restored);
    const task = await restored.newTask({ checkpoint: "cp:ctr" });
    await task.start();
    await countsBeyond(client, restored, await countOf(client, restored));
    await countsBeyond(client, container, await countOf(client, container));
  });

  it("we restore what ctr checkpointed without the image", async () => {
    const { container } = await counting(SILENT_COUNT);
    await ctr("containers", "checkpoint", "--rw", "--task", container.id, "cp:ctr");
    const restored = await client.restore(next(), "cp:ctr");
    keep(restored);
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
    keep(restored);
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
