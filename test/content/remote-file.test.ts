import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, readlink, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescMethod } from "@bufbuild/protobuf";
import { Introspection } from "../../src/api/services/introspection/v1/introspection_pb.js";
import type { Services } from "../../src/client/services.js";
import { visibleBlobs } from "../../src/client/visible-blobs.js";
import { writeBlob } from "../../src/content/blob.js";
import { RemoteStore } from "../../src/content/remote.js";
import { openBlobFile } from "../../src/content/remote-file.js";
import { type Client, connect, isDataLoss, isDeadlineExceeded, isNotFound } from "../../src/index.js";
import { RemoteLeases } from "../../src/leases/remote.js";
import type { Digest } from "../../src/oci/digest.js";
import { Rpc } from "../../src/rpc/rpc.js";
import { type Transport, unixTransport } from "../../src/rpc/transport.js";
import { describeOnEachDaemon } from "../daemon/releases.js";
import { Relay } from "../rpc/relay.js";
import { bytesOf, type ContentSubject } from "../suites/content-bed.js";
import { damageSuite } from "../suites/content-damage.js";
import { contentSuite, namespacesSuite } from "../suites/content-suite.js";

const SIZE = 3 * 1024 * 1024 + 5;

/** A transport that writes down what was asked for. */
function watched(inner: Transport, calls: string[], change: (method: DescMethod, reply: object) => object) {
  const transport: Transport = {
    local: inner.local ?? false,
    close: () => inner.close?.(),
    unary: async (method, ...rest) => {
      calls.push(method.name);
      const reply = await inner.unary(method, ...rest);
      return { message: change(method, reply.message) as typeof reply.message };
    },
    stream: (method, ...rest) => {
      calls.push(method.name);
      return inner.stream(method, ...rest);
    },
  };
  return transport;
}

describeOnEachDaemon("content in the daemon's own files", (daemon) => {
  const calls: string[] = [];
  let transport: Transport;
  let client: Client;
  let bytes: Buffer;
  let digest: Digest;
  let path: string;
  let lies: (method: DescMethod, reply: object) => object;
  const blobs = () => join(daemon().root, "io.containerd.content.v1.content", "blobs");
  const fileOf = (wanted: Digest) => join(blobs(), ...wanted.split(":"));
  const target = () => ({ digest, size: SIZE });

  before(async () => {
    lies = (_method, reply) => reply;
    transport = watched(unixTransport(daemon().address), calls, (method, reply) => lies(method, reply));
    client = await connect({ transport, namespace: "files" });
  });
  after(() => client.close());
  beforeEach(async () => {
    bytes = randomBytes(SIZE);
    const labels = { "containerd.io/gc.root": "1" };
    ({ digest } = await writeBlob(client.content, bytes, { mediaType: "x", labels }));
    path = fileOf(digest);
    await bytesOf(client.content.read(target()));
    calls.length = 0;
  });

  /** Reads the blob in whole, and by which calls. */
  const readBy = async (from: Client, wanted: readonly string[]) => {
    calls.length = 0;
    assert.ok(bytes.equals(await bytesOf(from.content.read(target()))));
    assert.deepEqual(
      calls.filter((name) => name !== "Plugins" && name !== "Server"),
      wanted,
    );
  };

  it("is read from them once the daemon said that it may be; what is small is asked for", async () => {
    await readBy(client, ["Info"]);
    const part = await bytesOf(client.content.read(target(), { offset: 7, length: 2 * 1024 * 1024 }));
    assert.ok(part.equals(bytes.subarray(7, 7 + 2 * 1024 * 1024)));
    assert.deepEqual(calls, ["Info", "Info"]);
    assert.equal((await bytesOf(client.content.read(target(), { offset: SIZE - 9 }))).length, 9);
    assert.equal((await bytesOf(client.content.read(target(), { offset: 9, length: 100 }))).length, 100);
    const small = await writeBlob(client.content, randomBytes(1000), { mediaType: "x" });
    calls.length = 0;
    await bytesOf(client.content.read(small)).catch((reason: unknown) => assert.ok(isNotFound(reason)));
    assert.deepEqual(calls, ["Read"]);
  });

  it("is asked for where that is not wanted, or the daemon is elsewhere", async () => {
    await readBy(client, ["Info"]);
    await readBy(await connect({ transport, namespace: "files", localContent: false }), ["Read"]);
    const relay = await Relay.listen({ port: 0, host: "127.0.0.1" }, { path: daemon().address });
    await using far = await connect({ address: `tcp://127.0.0.1:${relay.port}`, namespace: "files" });
    calls.length = 0;
    assert.ok(bytes.equals(await bytesOf(far.content.read(target()))));
    await relay[Symbol.asyncDispose]();
  });

  it("is asked for where that is not wanted, small documents too", async () => {
    const labels = { "containerd.io/gc.root": "1" };
    const small = await writeBlob(client.content, randomBytes(1000), { mediaType: "x", labels });
    for (const localContent of [true, false]) {
      const own = await connect({ transport, namespace: "files", localContent });
      const { introspection, content } = own;
      calls.length = 0;
      await bytesOf(visibleBlobs({ local: true, localContent, introspection, content } as Services).read(small));
      assert.deepEqual(calls.includes("Read"), !localContent);
    }
  });

  for (const [what, lie] of [
    ["another installation's", { uuid: "6d5b3c1e-0000-4000-8000-000000000000" }],
    ["not known to be the daemon's", { uuid: "" }],
  ] as const) {
    it(`is asked for where the files are ${what}`, async () => {
      lies = (method, reply) => (method === Introspection.method.server ? { ...reply, ...lie } : reply);
      await readBy(await connect({ transport, namespace: "files" }), ["Read"]);
      lies = (_method, reply) => reply;
    });
  }

  it("is asked for where the daemon has another content store, too", async () => {
    const other = { type: "io.containerd.content.v1", id: "proxied", exports: {}, requires: [], platforms: [] };
    lies = (method, reply) =>
      method === Introspection.method.plugins
        ? { plugins: [...(reply as { plugins: object[] }).plugins, { ...other, capabilities: [] }] }
        : reply;
    await readBy(await connect({ transport, namespace: "files" }), ["Read"]);
    lies = (_method, reply) => reply;
  });

  it("is no other namespace's", async () => {
    const other = client.inNamespace("files-other");
    await assert.rejects(bytesOf(other.content.read(target())), isNotFound);
    await client.content.delete(digest);
    await assert.rejects(bytesOf(client.content.read(target())), isNotFound);
  });

  it("is asked for where something else lies in its place, and no link is followed", async () => {
    const aside = join(daemon().directory, "aside");
    await rename(path, aside);
    await assert.rejects(bytesOf(client.content.read(target())), isNotFound);
    await symlink(aside, path);
    calls.length = 0;
    await bytesOf(client.content.read(target()));
    assert.deepEqual(calls, ["Info", "Read"]);
    await rm(path);
    await mkdir(path);
    await assert.rejects(bytesOf(client.content.read(target())));
    await rm(path, { recursive: true });
    execFileSync("sh", ["-c", `mkfifo ${path}`]);
    assert.equal(await openBlobFile(join(blobs(), ".."), digest, 0), undefined);
    await rm(path);
    await rename(aside, path);
    await readBy(client, ["Info"]);
  });

  it("is verified, and its file is closed", async () => {
    const damaged = await readFile(path);
    damaged[SIZE - 1] = (damaged[SIZE - 1] ?? 0) ^ 1;
    await writeFile(path, damaged);
    calls.length = 0;
    await assert.rejects(bytesOf(client.content.read(target())), isDataLoss);
    assert.deepEqual(calls, ["Info"]);
    await truncate(path, SIZE - 1);
    await assert.rejects(bytesOf(client.content.read(target())), isDataLoss);
    assert.deepEqual(calls, ["Info", "Info", "Read"]);
    await writeFile(path, bytes);
    await assert.rejects(async () => {
      for await (const _ of client.content.read(target(), { offset: 1 })) await truncate(path, 1024 * 1024);
    }, isDataLoss);
    await writeFile(path, bytes);
    for await (const _ of client.content.read(target())) break;
    const open = await Promise.all(
      (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
    );
    assert.ok(!open.includes(path));
  });

  it("ends at the deadline of the call", async () => {
    await assert.rejects(async () => {
      for await (const _ of client.content.read(target(), { timeoutMs: 100 })) await sleep(120);
    }, isDeadlineExceeded);
  });
});

describeOnEachDaemon("content, all of it read from files", (daemon) => {
  let transport: Transport;
  let round = 0;
  before(() => {
    transport = unixTransport(daemon().address);
  });
  after(() => transport.close?.());

  const subject = async (): Promise<ContentSubject & Required<Pick<ContentSubject, "other" | "fileOf">>> => {
    const root = join(daemon().root, "io.containerd.content.v1.content");
    round++;
    const [mine, theirs] = await Promise.all(
      ["", "-other"].map(async (suffix) => {
        const rpc = new Rpc(transport, `content-${round}${suffix}`);
        const leases = new RemoteLeases(rpc);
        const lease = await leases.create();
        const store = new RemoteStore(rpc, { root: async () => root, fromBytes: 0 });
        return { store, call: { lease }, end: () => leases.delete(lease, { sync: true }) };
      }),
    );
    if (mine === undefined || theirs === undefined) throw new Error("no namespaces");
    const fileOf = (digest: Digest) => join(root, "blobs", ...digest.split(":"));
    const end = async () => void (await Promise.all([mine.end(), theirs.end()]));
    return { store: mine.store, call: mine.call, other: theirs, fileOf, end };
  };
  contentSuite("a daemon's content store", subject);
  damageSuite("a daemon's content store", subject);
  namespacesSuite("a daemon's content store in two namespaces", subject);
});
