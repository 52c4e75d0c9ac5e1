import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect as openSocket } from "node:net";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { create, createRegistry, equals, fromBinary, fromJson, isMessage, toBinary, toJson } from "@bufbuild/protobuf";
import { AnySchema, anyIs, anyPack, anyUnpack, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  type Client,
  ContainerdError,
  connect,
  InvalidArgumentError,
  isNotFound,
  NotFoundError,
} from "containerd-client";
import { processes, taskEvents, version } from "containerd-client/api";
import { parseCheckpoint } from "containerd-client/checkpoint";
import { gcLabels, MemoryStore, readBlob, writeBlob } from "containerd-client/content";
import { readRuntimeFromArchive } from "containerd-client/crutils";
import { createEmbedded, type Embedded } from "containerd-client/embedded";
import { digestOf, parseDigest } from "containerd-client/oci";

// Runs where the packed package was unpacked, beside a copy of protobuf of its own.

describe("a program with the packed package", () => {
  let directory = "";
  let address = "";
  let containerd: Embedded;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "stranger-"));
    address = join(directory, "c.sock");
    containerd = await createEmbedded();
    await containerd.listen(address);
  });
  after(async () => {
    await containerd.close();
    await rm(directory, { recursive: true });
  });

  it("meets the same classes of errors whatever entry they come from", async () => {
    const digest = digestOf(new Uint8Array());
    assert.throws(() => parseDigest("x"), InvalidArgumentError);
    await assert.rejects(readBlob(new MemoryStore(), { mediaType: "a/b", digest, size: 0 }), NotFoundError);
    assert.throws(
      () => parseCheckpoint({ schemaVersion: 2, manifests: [] }, { mediaType: "a/b", digest, size: 0 }),
      ContainerdError,
    );
    await assert.rejects(readRuntimeFromArchive("/dev/null/x"), ContainerdError);
    await using client = await connect({ transport: containerd.transport });
    await assert.rejects(
      client.containers.get("none"),
      (reason) => reason instanceof NotFoundError && isNotFound(reason),
    );
  });

  it("handles our messages with its own protobuf", () => {
    const event = create(taskEvents.TaskIOSchema, { stdin: "a", terminal: true });
    const bytes = toBinary(taskEvents.TaskIOSchema, event);
    const read = fromBinary(taskEvents.TaskIOSchema, bytes);
    assert.ok(isMessage(read, taskEvents.TaskIOSchema) && equals(taskEvents.TaskIOSchema, event, read));
    assert.deepEqual(fromJson(taskEvents.TaskIOSchema, toJson(taskEvents.TaskIOSchema, read)), event);
    const process = create(processes.ProcessSchema, { exitedAt: timestampFromMs(1234), stdin: "b" });
    const any = anyPack(processes.ProcessSchema, process);
    assert.ok(isMessage(any, AnySchema) && anyIs(any, processes.ProcessSchema));
    const registry = createRegistry(processes.file_types_task_task);
    const unpacked = anyUnpack(fromBinary(AnySchema, toBinary(AnySchema, any)), registry);
    assert.ok(unpacked !== undefined && isMessage(unpacked, processes.ProcessSchema));
    assert.deepEqual(unpacked.exitedAt, timestampFromMs(1234));
  });

  it("calls the daemon over a transport of its own", async () => {
    const nodeOptions = { createConnection: () => openSocket(address) };
    const transport = createGrpcTransport({ baseUrl: "http://localhost", nodeOptions });
    const direct = await createClient(version.Version, transport).version({});
    await using client = await connect({ transport });
    assert.equal((await client.version()).version, direct.version);
  });

  it("has a guardian beside a checkpoint", async () => {
    await using client = await connect({ address });
    const image = await emptyImage(client);
    const container = await client.containers.create("counter", { image, args: ["counter"] });
    const task = await container.newTask();
    await task.start();
    const { guarded } = await container.checkpoint("counter:frozen");
    assert.ok(guarded);
    await task.delete({ force: true });
  });
});

/** An image without files: its one layer is the end of a tar. */
async function emptyImage({ content, images, leases }: Client): Promise<string> {
  await using lease = await leases.create();
  const write = (mediaType: string, data: Uint8Array, labels = {}) =>
    writeBlob(content, data, { mediaType: `application/vnd.oci.image.${mediaType}`, labels }, { lease });
  const layer = await write("layer.v1.tar", new Uint8Array(1024));
  const architecture = arch() === "x64" ? "amd64" : arch();
  const config = { os: "linux", architecture, rootfs: { type: "layers", diff_ids: [layer.digest] } };
  const described = await write("config.v1+json", Buffer.from(JSON.stringify(config)));
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: described, layers: [layer] }));
  await images.create("empty:1", await write("manifest.v1+json", manifest, gcLabels([described, layer])), { lease });
  return "empty:1";
}
