import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Containers } from "../../src/api/services/containers/v1/containers_pb.js";
import { withRestoreCriuConfig } from "../../src/checkpoint/restore-plan.js";
import { Client } from "../../src/client/client.js";
import { OperationLabel } from "../../src/client/recovery/operation-record.js";
import { ownOwner } from "../../src/client/recovery/owner.js";
import { isAlreadyExists, isContainerdError, isNotFound } from "../../src/errors.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { all } from "../suites/content-bed.js";
import { TaskBed } from "../suites/task-bed.js";
import { listenedIn } from "./sick-transport.js";
import { type ListeningSubject, simulatedImage, simulatedSubject } from "./task-beds.js";

describe("the criu configuration of a restore", { skip: process.platform === "win32" }, () => {
  const bed = new TaskBed(() => simulatedSubject("over a socket"));
  let directory = "";
  let id = "";
  let file = "";
  before(() => bed.begin());
  beforeEach(async () => {
    directory = bed.path();
    id = bed.next();
    file = join(directory, `${id}.criu.conf`);
    await mkdir(directory);
    const { container } = await bed.counting();
    await container.checkpoint("cp:1");
  });
  afterEach(() => bed.tidy());
  after(() => bed.end());

  /** What `ctr containers rm` does. */
  const removeRecord = async (own: string) => {
    const { transport } = bed.subject as ListeningSubject;
    await new Rpc(transport, bed.client.namespace).unary(Containers.method.delete, { id: own });
    await bed.client.snapshots("overlayfs").remove(own);
  };
  const restore = (client: Client = bed.client) =>
    client.restore(id, "cp:1", [withRestoreCriuConfig({ directory })]).then((container) => bed.keep(container));

  it("is written over what a container has left that was removed without it", async () => {
    await restore();
    const text = await readFile(file, "utf8");
    await removeRecord(id);
    await writeFile(file, `${text}file-locks\n`);
    await restore();
    assert.equal(await readFile(file, "utf8"), text);
  });

  it("is not written over anybody else's, and nothing is made", async () => {
    const { transport } = bed.subject as ListeningSubject;
    const elsewhere = new Client({ transport, namespace: "elsewhere" }, false);
    await simulatedImage(elsewhere, bed.subject.image);
    await elsewhere.images.copyFrom(bed.client, "cp:1");
    const theirs = await elsewhere.restore(id, "cp:1", [withRestoreCriuConfig({ directory })]);
    const text = await readFile(file, "utf8");
    await assert.rejects(restore(), isAlreadyExists);
    assert.equal(await readFile(file, "utf8"), text);
    await theirs.delete({ snapshot: true });
    assert.deepEqual(await readdir(directory), []);
    for (const make of [() => writeFile(file, "tcp-established\n"), () => symlink("/nowhere", file)]) {
      await make();
      await assert.rejects(restore(), (reason) => isAlreadyExists(reason) && /criu\.conf/.test(String(reason)));
      assert.deepEqual(await readdir(directory), [`${id}.criu.conf`]);
      await rm(file);
    }
    await assert.rejects(bed.client.containers.get(id), isNotFound);
    assert.ok(!(await all(bed.client.snapshots("overlayfs").list())).some(({ name }) => name === id));
    await restore();
  });

  it("goes in a sweep with the restore that died of it, and nobody else's does", async () => {
    const { leases } = bed.client;
    const dead = { ...ownOwner(), pid: 1, startTicks: "0", instance: "another" };
    await restore();
    const own = await readFile(file, "utf8");
    await removeRecord(id);
    const others = own.replace(bed.client.namespace, "elsewhere");
    for (const text of [own, "", others, "tcp-established\n"]) {
      await writeFile(file, text);
      const labels = {
        [OperationLabel.kind]: "restore",
        [OperationLabel.id]: "dead",
        [OperationLabel.container]: id,
        [OperationLabel.owner]: JSON.stringify(dead),
        [OperationLabel.file]: file,
      };
      await leases.create({ id: "dead", labels });
      const { removed } = await bed.client.sweep();
      const goes = own.startsWith(text);
      assert.deepEqual(removed.includes(`file ${file}`), goes, text);
      assert.equal((await readdir(directory)).length, goes ? 0 : 1, text);
    }
  });

  it("goes when the restore fails", async () => {
    const { transport } = bed.subject as ListeningSubject;
    const sick = listenedIn(transport, ({ name, parent }) => {
      if (name === "Create" && parent.typeName.endsWith(".Containers"))
        throw new ConnectError("away", Code.FailedPrecondition);
    });
    const client = new Client({ transport: { ...sick, local: true }, namespace: bed.client.namespace }, false);
    await assert.rejects(restore(client), isContainerdError);
    assert.deepEqual(await readdir(directory), []);
  });
});
