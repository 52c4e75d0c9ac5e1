import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { AnySchema, timestampNow } from "@bufbuild/protobuf/wkt";
import { Containers } from "../../src/api/services/containers/v1/containers_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { Images } from "../../src/api/services/images/v1/images_pb.js";
import { Namespaces } from "../../src/api/services/namespaces/v1/namespace_pb.js";
import type { Envelope } from "../../src/api/types/event_pb.js";
import { isInvalidArgument } from "../../src/errors.js";
import type { Rpc } from "../../src/rpc/rpc.js";
import { container, image } from "./record-refusals.js";

/** What the suite runs over. */
export interface EventSubject {
  /** Calls in a namespace with nothing in it. */
  readonly rpc: Rpc;
  end(): Promise<void>;
}

/** Who listens. */
interface Ear {
  /** Waits for as many events, and says what they were. */
  hear(count: number): Promise<string[]>;
}

/** What a daemon tells, and to whom. */
export function eventSuite(name: string, make: () => Promise<EventSubject>): void {
  describe(name, () => {
    let subject: EventSubject;
    let rpc: Rpc;
    let stop: AbortController;
    const listening: Promise<unknown>[] = [];
    beforeEach(async () => {
      subject = await make();
      rpc = subject.rpc;
      stop = new AbortController();
    });
    afterEach(async () => {
      stop.abort();
      await Promise.all(listening.splice(0));
      await subject.end();
    });

    const listen = async (...filters: string[]): Promise<Ear> => {
      const heard: Envelope[] = [];
      let wake = () => {};
      // What nobody else publishes says that somebody listens: no daemon does.
      const mark = `/mark/${crypto.randomUUID()}`;
      let marked = 0;
      const stream = rpc.serverStream(
        Events.method.subscribe,
        { filters: [...filters, `topic==${JSON.stringify(mark)}`] },
        { signal: stop.signal },
      );
      const loop = async () => {
        for await (const envelope of stream) {
          if (envelope.topic === mark) marked++;
          else heard.push(envelope);
          wake();
        }
      };
      listening.push(loop().catch(() => {}));
      while (marked === 0) {
        await rpc.unary(Events.method.publish, { topic: mark, event: create(AnySchema, { typeUrl: "x.Y" }) });
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, 20);
        });
      }
      return {
        hear: async (count) => {
          while (heard.length < count) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          return heard
            .splice(0)
            .map(({ namespace, topic }) => `${namespace === rpc.namespace ? "" : namespace}${topic}`);
        },
      };
    };

    it("tells of records in the order they change", async () => {
      const ear = await listen(`namespace==${rpc.namespace},topic~="^/(images|containers)/"`);
      await rpc.unary(Images.method.create, { image });
      await rpc.unary(Containers.method.create, { container });
      await rpc.unary(Images.method.update, { image: { ...image, labels: { a: "1" } } });
      await rpc.unary(Containers.method.update, { container, updateMask: { paths: ["image"] } });
      await rpc.unary(Containers.method.delete, { id: container.id });
      await rpc.unary(Images.method.delete, { name: image.name });
      assert.deepEqual(await ear.hear(6), [
        "/images/create",
        "/containers/create",
        "/images/update",
        "/containers/update",
        "/containers/delete",
        "/images/delete",
      ]);
    });

    it("tells of what a filter asks for, in whatever namespace", async () => {
      const other = rpc.inNamespace(`${rpc.namespace}-other`);
      const byName = await listen(`topic=="/images/create",event.name==${image.name}`);
      const byLabel = await listen('topic=="/images/create",event.labels.a==1');
      const byRuntime = await listen("event.runtime.name==io.containerd.runc.v2");
      const byId = await listen(`topic~="^/containers/",event.id==${container.id}`);
      await other.unary(Images.method.create, { image: { ...image, name: "another", labels: { a: "1" } } });
      await other.unary(Images.method.create, { image });
      await rpc.unary(Images.method.create, { image });
      await rpc.unary(Containers.method.create, { container: { ...container, id: "another" } });
      await rpc.unary(Containers.method.create, { container });
      assert.deepEqual(await byName.hear(2), [`${other.namespace}/images/create`, "/images/create"]);
      assert.deepEqual(await byLabel.hear(1), [`${other.namespace}/images/create`]);
      assert.deepEqual(await byRuntime.hear(2), ["/containers/create", "/containers/create"]);
      assert.deepEqual(await byId.hear(1), ["/containers/create"]);
    });

    it("tells of namespaces, once for each that is made by name", async () => {
      const made = `${rpc.namespace}-made`;
      const ear = await listen('topic~="^/namespaces/"');
      await rpc.unary(Namespaces.method.create, { namespace: { name: made } });
      await rpc.unary(Namespaces.method.update, {
        namespace: { name: made, labels: { a: "1" } },
        updateMask: { paths: ["labels.a"] },
      });
      await rpc.unary(Namespaces.method.delete, { name: made });
      // containerd 1.6 tells of two of them in the namespace of the caller.
      const topics = (await ear.hear(3)).map((event) => event.slice(event.indexOf("/")));
      assert.deepEqual(
        topics,
        ["create", "update", "delete"].map((what) => `/namespaces/${what}`),
      );
    });

    it("passes on what others publish", async () => {
      const event = create(AnySchema, { typeUrl: "example.Any", value: Buffer.from("anything") });
      const ear = await listen('topic=="/a/b-c_d"', "namespace==elsewhere");
      await rpc.unary(Events.method.publish, { topic: "/a/b-c_d", event });
      const envelope = { timestamp: timestampNow(), namespace: "elsewhere", topic: "/e/f", event };
      await rpc.unary(Events.method.forward, { envelope });
      assert.deepEqual(await ear.hear(2), ["/a/b-c_d", "elsewhere/e/f"]);
      await assert.rejects(
        rpc.unary(Events.method.forward, { envelope: { ...envelope, topic: "e" } }),
        isInvalidArgument,
      );
    });
  });
}
