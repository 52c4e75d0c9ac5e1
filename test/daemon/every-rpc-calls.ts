import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../src/client/client.js";
import { readBlob, writeBlob } from "../../src/content/blob.js";
import { isNotFound, isNotImplemented } from "../../src/errors.js";

// Without a child process: criu cannot stop a shell that is caught between vfork and exec.
const SLEEP = ["sh", "-c", "trap 'exit 3' TERM; mkfifo /never; exec 3<>/never; while :; do read -t 0.05 x <&3; done"];

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

export async function callVersionAndNamespaces(client: Client): Promise<void> {
  assert.match((await client.version()).version, /^v?\d+\.\d+/);
  assert.ok((await client.introspection.server()).uuid);
  assert.ok(await client.introspection.contentRoot());
  await client.introspection.runtimeFeatures("io.containerd.runc.v2").then(
    (features) => assert.equal(typeof (features ?? {}), "object"),
    (reason) => assert.ok(isNotImplemented(reason) || isNotFound(reason), String(reason)),
  );
  const { namespaces } = client;
  const name = `every-${randomBytes(4).toString("hex")}`;
  await assert.rejects(namespaces.get(name), isNotFound);
  assert.deepEqual(await namespaces.create(name, { labels: { a: "1", b: "2" } }), { name, labels: { a: "1", b: "2" } });
  await namespaces.setLabels(name, { a: null, c: "3" });
  assert.deepEqual(await namespaces.get(name), { name, labels: { b: "2", c: "3" } });
  await namespaces.setLabels(name, { b: null, c: null });
  assert.deepEqual(await namespaces.get(name), { name, labels: {} });
  assert.ok((await collect(namespaces.list())).some((one) => one.name === name));
  await namespaces.delete(name);
  await assert.rejects(namespaces.get(name), isNotFound);
}

export async function callLeasesAndContent(client: Client): Promise<void> {
  const { content, leases } = client;
  const lease = await leases.create({ labels: { purpose: "every-rpc" } });
  const call = { lease };
  const bytes = randomBytes(300_000);
  const descriptor = await writeBlob(content, bytes, { mediaType: "application/octet-stream", ref: "every" }, call);
  assert.deepEqual(Buffer.from(await readBlob(content, descriptor)), bytes);
  assert.equal((await content.info(descriptor.digest)).size, bytes.length);
  assert.equal((await content.update(descriptor.digest, { mark: "x" })).labels["mark"], "x");
  assert.deepEqual(
    (await collect(content.list(["labels.mark==x"]))).map(({ digest }) => digest),
    [descriptor.digest],
  );
  const writer = await content.writer("open", call);
  await writer.write(new Uint8Array(10));
  await writer[Symbol.asyncDispose]();
  assert.equal((await content.status("open")).offset, 10);
  assert.ok((await collect(content.statuses())).some(({ ref }) => ref === "open"));
  await content.abort("open");

  assert.ok((await collect(leases.list())).some(({ id }) => id === lease.id));
  assert.ok((await collect(leases.resources(lease))).some(({ id }) => id === descriptor.digest));
  const resource = { type: "content", id: descriptor.digest };
  await leases.addResource(lease, resource);
  await content.delete(descriptor.digest);
  await assert.rejects(content.info(descriptor.digest), isNotFound);
  await leases.deleteResource(lease, resource);
  await leases.delete(lease, { sync: true });
  assert.deepEqual((await client.sweep()).operations, []);
}

export async function callImages(client: Client, image: string): Promise<void> {
  const { images } = client;
  const { target } = await images.get(image);
  const made = await images.create("every:1", target, { labels: { a: "1", b: "2" } });
  assert.deepEqual(made.target.digest, target.digest);
  const changed = await made.update({ labels: { a: null, c: "3" } });
  assert.deepEqual(changed.labels, { b: "2", c: "3" });
  assert.equal((await changed.update({ target })).target.digest, target.digest);
  assert.deepEqual(
    (await collect(images.list(["name==every:1"]))).map(({ name }) => name),
    ["every:1"],
  );
  assert.ok((await changed.rootFS()).diffIds.length > 0);
  await changed.delete({ sync: true });
  await assert.rejects(images.get("every:1"), isNotFound);
}

export async function callSnapshotsAndDiffs(client: Client, image: string): Promise<void> {
  const snapshots = client.snapshots();
  const { chainId } = await (await client.images.get(image)).rootFS();
  assert.ok(chainId);
  const lease = await client.leases.create();
  const call = { lease };
  const upper = await snapshots.prepare("every-upper", chainId, { ...call, labels: { a: "1" } });
  assert.deepEqual(await snapshots.mounts("every-upper"), upper);
  const lower = await snapshots.view("every-lower", chainId, call);
  const layer = await client.diffs.diff(lower, upper, { ...call, ref: "every-diff" });
  assert.match(layer.mediaType, /tar\+gzip$/);
  const applied = await client.diffs.apply(layer, upper, call);
  assert.match(applied.digest, /^sha256:/);
  const info = await snapshots.setLabels("every-upper", { a: null, b: "2" });
  assert.equal(info.kind, "active");
  assert.equal(info.parent, chainId);
  assert.deepEqual(info.labels, { b: "2" });
  assert.ok((await snapshots.usage("every-upper")).inodes >= 0);
  await snapshots.commit("every-committed", "every-upper", call);
  assert.equal((await snapshots.stat("every-committed")).kind, "committed");
  assert.ok((await collect(snapshots.list())).some(({ name }) => name === "every-lower"));
  await snapshots.remove("every-lower");
  await snapshots.remove("every-committed");
  await client.leases.delete(lease, { sync: true });
}

export async function callContainersAndTasks(client: Client, image: string, hideListStream: () => void): Promise<void> {
  const { containers } = client;
  const container = await containers.create("every", { image, args: SLEEP });
  assert.equal((await containers.get("every")).id, "every");
  assert.deepEqual((await container.setLabels({ a: "1", b: "2" })).labels, { a: "1", b: "2" });
  assert.deepEqual((await container.setLabels({ a: null })).labels, { b: "2" });
  const spec = await container.spec();
  spec.hostname = "every";
  await container.update({ spec });
  assert.equal((await container.spec()).hostname, "every");
  assert.deepEqual(
    (await collect(containers.list(["id==every"]))).map(({ id }) => id),
    ["every"],
  );

  const task = await container.newTask();
  const exit = task.wait();
  await task.start();
  assert.equal((await task.status()).status, "running");
  assert.ok((await task.pids()).includes(task.pid));
  assert.ok(await task.metrics());
  await task.update({ resources: { pids: { limit: 200 } } });
  await callExec(task);
  await assert.rejects(container.delete(), /has a task/);
  const pause = await task.pause();
  assert.equal((await task.status()).status, "paused");
  await pause[Symbol.asyncDispose]();
  await pause[Symbol.asyncDispose]();
  assert.equal((await task.status()).status, "running");
  await container.checkpoint("every:checkpoint");
  await client.images.delete("every:checkpoint", { sync: true });
  await task.kill("SIGTERM");
  assert.equal((await exit).exitStatus, 3);
  assert.equal((await task.status()).exitStatus, 3);
  assert.equal((await task.delete()).exitStatus, 3);
  hideListStream();
  assert.deepEqual(
    (await collect(containers.list(["id==every"]))).map(({ id }) => id),
    ["every"],
  );
  await container.delete({ snapshot: true });
  await assert.rejects(containers.get("every"), isNotFound);
}

async function callExec(
  task: Awaited<ReturnType<Awaited<ReturnType<Client["containers"]["get"]>>["task"]>>,
): Promise<void> {
  const process = await task.exec("x", ["sh", "-c", "sleep 0.2; exit 5"], { terminal: true });
  const exit = process.wait();
  await process.start();
  await process.resize({ width: 80, height: 25 });
  await process.closeStdin();
  assert.equal((await exit).exitStatus, 5);
  assert.equal((await process.delete()).exitStatus, 5);
}

export async function callEvents(client: Client): Promise<void> {
  const stop = new AbortController();
  const seen: string[] = [];
  const listening = (async () => {
    for await (const { topic, namespace, payload } of client.events(["/tasks/oom"], { signal: stop.signal })) {
      assert.equal(namespace, client.namespace);
      seen.push(`${topic} ${payload.containerId}`);
      stop.abort();
    }
  })();
  const ended = assert.rejects(listening, (reason) => reason === stop.signal.reason);
  // The daemon does not say when a subscription stands.
  for (let at = 0; seen.length === 0 && at < 100; at++) {
    await client.inNamespace("elsewhere").publish("/tasks/oom", { containerId: "other" });
    await client.publish("/tasks/oom", { containerId: "mine" });
    await sleep(20);
  }
  await ended;
  assert.deepEqual(seen, ["/tasks/oom mine"]);
}
