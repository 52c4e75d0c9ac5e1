import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AnySchema, EmptySchema } from "@bufbuild/protobuf/wkt";
import { createRouterTransport } from "@connectrpc/connect";
import { ContentCreateSchema } from "../../src/api/events/content_pb.js";
import { TaskCreateSchema, TaskExitSchema } from "../../src/api/events/task_pb.js";
import { Events as EventsService, type PublishRequest } from "../../src/api/services/events/v1/events_pb.js";
import type { EnvelopeSchema } from "../../src/api/types/event_pb.js";
import { Client } from "../../src/client/client.js";
import { messageOf, plainOf } from "../../src/client/event-payload.js";
import { eventSchemas } from "../../src/client/event-topics.js";
import { subscriptionFilters } from "../../src/client/events.js";
import { InvalidArgumentError } from "../../src/errors.js";
import { packAny } from "../../src/typeurl.js";

const exitedAt = new Date("2026-01-02T03:04:05.678Z");
const exit = messageOf(TaskExitSchema, { containerId: "c", id: "c", pid: 7, exitStatus: 3, exitedAt });

function clientThatSees(envelopes: readonly MessageInitShape<typeof EnvelopeSchema>[]) {
  const filters: string[][] = [];
  const published: PublishRequest[] = [];
  const transport = createRouterTransport(({ service }) => {
    service(EventsService, {
      async *subscribe(request) {
        filters.push(request.filters);
        yield* envelopes;
      },
      publish(request) {
        published.push(request);
        return create(EmptySchema);
      },
    });
  });
  return { client: new Client({ transport, namespace: "n" }), filters, published };
}

describe("event filters", () => {
  it("name topic, namespace and what the caller adds in each alternative", () => {
    assert.deepEqual(subscriptionFilters([], undefined), []);
    assert.deepEqual(subscriptionFilters([], "n"), ['namespace=="n"']);
    assert.deepEqual(subscriptionFilters(["/a", "/b"], "n", ["event.id==x", "event.id==y"]), [
      'topic=="/a",namespace=="n",event.id==x',
      'topic=="/a",namespace=="n",event.id==y',
      'topic=="/b",namespace=="n",event.id==x',
      'topic=="/b",namespace=="n",event.id==y',
    ]);
  });
});

describe("payloads", () => {
  it("are plain there and back", () => {
    const made = { containerId: "c", bundle: "/b", checkpoint: "", pid: 9 };
    const io = { stdin: "", stdout: "/o", stderr: "", terminal: true };
    const rootfs = [{ type: "bind", source: "/s", target: "", options: ["ro"] }];
    const plain = { ...made, rootfs, io };
    assert.deepEqual(plainOf(TaskCreateSchema, messageOf(TaskCreateSchema, plain)), plain);
    const blob = { digest: "d", size: 2 ** 40, mediaType: "m" };
    assert.deepEqual(plainOf(ContentCreateSchema, messageOf(ContentCreateSchema, blob)), blob);
    assert.deepEqual(plainOf(TaskExitSchema, exit), { containerId: "c", id: "c", pid: 7, exitStatus: 3, exitedAt });
  });

  it("have a message each, named as containerd names it", () => {
    for (const [topic, schema] of Object.entries(eventSchemas)) {
      const services = topic.startsWith("/images/") ? "containerd.services.images.v1." : "containerd.events.";
      assert.ok(schema.typeName.startsWith(services), `${topic} travels in ${schema.typeName}`);
    }
  });
});

describe("client.events", () => {
  it("yields plain payloads of known topics, and Anys of named others", async () => {
    const custom = create(AnySchema, { typeUrl: "app.Ready", value: new Uint8Array([1]) });
    const at = { seconds: 1_700_000_000n };
    const { client, filters } = clientThatSees([
      { topic: "/tasks/exit", namespace: "n", timestamp: at, event: packAny(TaskExitSchema, exit as never) },
      { topic: "/app/ready", namespace: "n", timestamp: at, event: custom },
    ]);
    const all = [];
    for await (const event of client.events()) all.push(event);
    assert.deepEqual(all, [
      {
        topic: "/tasks/exit",
        namespace: "n",
        publishedAt: new Date(1_700_000_000_000),
        payload: { containerId: "c", id: "c", pid: 7, exitStatus: 3, exitedAt },
      },
    ]);
    const named = [];
    for await (const { payload } of client.events(["/app/ready"], { allNamespaces: true })) named.push(payload);
    assert.deepEqual(named.at(-1), custom);
    assert.deepEqual(filters, [['namespace=="n"'], ['topic=="/app/ready"']]);
  });

  it("drops what others publish under a name that promises something else", async () => {
    const other = create(AnySchema, { typeUrl: "app.Lie", value: new Uint8Array([1]) });
    const { client } = clientThatSees([{ topic: "/tasks/exit", namespace: "n", event: other }]);
    for await (const event of client.events(["/tasks/exit"])) assert.fail(JSON.stringify(event));
  });
});

describe("client.publish", () => {
  it("wraps plain data as containerd does", async () => {
    const { client, published } = clientThatSees([]);
    await client.publish("/tasks/exit", { containerId: "c", id: "c", pid: 7, exitStatus: 3, exitedAt });
    assert.equal(published[0]?.topic, "/tasks/exit");
    assert.equal(published[0]?.event?.typeUrl, "containerd.events.TaskExit");
    assert.deepEqual(published[0]?.event, packAny(TaskExitSchema, exit as never));
  });

  it("refuses topics that are none, and plain data it cannot wrap", async () => {
    const { client, published } = clientThatSees([]);
    const any = create(AnySchema, { typeUrl: "app.Ready" });
    await assert.rejects(client.publish("no-slash", any), InvalidArgumentError);
    await assert.rejects(client.publish("/app/ready", { plain: true } as never), InvalidArgumentError);
    await client.publish("/app/ready", any);
    assert.equal(published.length, 1);
  });
});
