import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { type ContainerSchema, Containers } from "../../src/api/services/containers/v1/containers_pb.js";
import { type ImageSchema, Images } from "../../src/api/services/images/v1/images_pb.js";
import { Leases } from "../../src/api/services/leases/v1/leases_pb.js";
import { Namespaces } from "../../src/api/services/namespaces/v1/namespace_pb.js";
import { isContainerdError, isNotFound } from "../../src/errors.js";
import { digestOf } from "../../src/oci/digest.js";
import type { Rpc } from "../../src/rpc/rpc.js";
import { all } from "./content-bed.js";
import { container, image, refusals } from "./record-refusals.js";

/** What a message is made with, in plain. */
type Init<T extends DescMessage> = Omit<Partial<MessageInitShape<T>>, "$typeName" | "$unknown">;

/** What the suite runs over. */
export interface RecordSubject {
  /** Calls in a namespace with nothing in it. */
  readonly rpc: Rpc;
  end(): Promise<void>;
}

/** What images, containers and namespaces must do as records. */
export function recordSuite(name: string, make: () => Promise<RecordSubject>): void {
  describe(name, () => {
    let subject: RecordSubject;
    let rpc: Rpc;
    beforeEach(async () => {
      subject = await make();
      rpc = subject.rpc;
      await rpc.unary(Images.method.create, { image });
      await rpc.unary(Containers.method.create, { container });
      await rpc.unary(Leases.method.create, { id: "there" });
    });
    afterEach(() => subject.end());

    it("refuses what cannot be", async () => {
      for (const { what, code, call } of refusals) {
        await assert.rejects(call(rpc), (reason) => isContainerdError(reason, code), what);
      }
    });

    const updatedImage = async (changes: Pick<Init<typeof ImageSchema>, "labels" | "target">, ...paths: string[]) => {
      const mask = paths.length === 0 ? {} : { updateMask: { paths } };
      const { image: answered } = await rpc.unary(Images.method.update, { image: { ...image, ...changes }, ...mask });
      const { image: got } = await rpc.unary(Images.method.get, { name: image.name });
      assert.deepEqual(got, answered);
      return { labels: got?.labels, annotations: got?.target?.annotations, target: got?.target };
    };

    it("updates images by masks, and whole without one", async () => {
      const { image: before } = await rpc.unary(Images.method.get, { name: image.name });
      const labels = { a: "1", b: "2", "with.dots/k": "3" };
      const target = { ...image.target, annotations: { x: "1", y: "2" } };
      const whole = await updatedImage({ labels, target });
      assert.deepEqual([whole.labels, whole.annotations], [labels, target.annotations]);
      assert.deepEqual((await updatedImage({ labels: { a: "one", c: "no" } }, "labels.a", "labels.b")).labels, {
        a: "one",
        "with.dots/k": "3",
      });
      assert.deepEqual((await updatedImage({ labels: { "with.dots/k": "4" } }, "labels.with.dots/k")).labels, {
        a: "one",
        "with.dots/k": "4",
      });
      const annotated = { ...image.target, annotations: { x: "one", z: "3" } };
      const one = await updatedImage({ target: annotated }, "annotations.x", "annotations.y");
      assert.deepEqual([one.annotations, one.labels?.["a"]], [{ x: "one" }, "one"]);
      assert.deepEqual((await updatedImage({ target: annotated }, "annotations")).annotations, annotated.annotations);
      const moved = { mediaType: "x/y", digest: digestOf(Buffer.from("moved")), size: 9n };
      const after = await updatedImage({ target: moved }, "target");
      assert.deepEqual([after.target?.digest, after.target?.size, after.annotations], [moved.digest, 9n, {}]);
      assert.deepEqual((await updatedImage({ labels: { only: "1" } }, "labels")).labels, { only: "1" });
      assert.deepEqual((await updatedImage({})).labels, {});
      const { image: last } = await rpc.unary(Images.method.get, { name: image.name });
      assert.deepEqual(last?.createdAt, before?.createdAt);
      assert.ok((last?.updatedAt?.seconds ?? 0n) >= (before?.updatedAt?.seconds ?? 0n));
    });

    it("lists images by their fields", async () => {
      const other = { mediaType: "x/other", digest: digestOf(Buffer.from("other")), size: 1n, annotations: { n: "v" } };
      await rpc.unary(Images.method.create, { image: { name: "a/other:1", target: other, labels: { even: "yes" } } });
      const found = async (...filters: string[]) =>
        (await rpc.unary(Images.method.list, { filters })).images.map((one) => one.name);
      assert.deepEqual(await found(), ["a/other:1", "there"]);
      assert.deepEqual(await found("name==there"), ["there"]);
      assert.deepEqual(await found("name~=/o/"), ["a/other:1"]);
      assert.deepEqual(await found("labels.even"), ["a/other:1"]);
      assert.deepEqual(await found("annotations.n==v"), ["a/other:1"]);
      assert.deepEqual(await found("target.mediatype~=other"), ["a/other:1"]);
      assert.deepEqual(await found(`target.digest==${other.digest}`, "name==there"), ["a/other:1", "there"]);
      assert.deepEqual(await found("name==there,labels.even==yes"), []);
      assert.deepEqual(await found("nothing==x"), []);
      await rpc.unary(Images.method.delete, { name: "a/other:1", sync: true });
      assert.deepEqual(await found(), ["there"]);
    });

    const updatedContainer = async (changes: Init<typeof ContainerSchema>, ...paths: string[]) => {
      const changed = { ...container, ...changes };
      const mask = paths.length === 0 ? {} : { updateMask: { paths } };
      const { container: answered } = await rpc.unary(Containers.method.update, { container: changed, ...mask });
      const { container: got } = await rpc.unary(Containers.method.get, { id: container.id });
      assert.deepEqual(got, answered);
      return got;
    };

    it("updates containers by masks, and what may change without one", async () => {
      const { container: before } = await rpc.unary(Containers.method.get, { id: container.id });
      const any = (text: string) => ({ typeUrl: "example.com/any", value: Buffer.from(text) });
      const labels = { a: "1", b: "2" };
      const changes = { labels, image: "other", snapshotKey: "rw2", extensions: { e: any("1"), f: any("2") } };
      const whole = await updatedContainer({ ...changes, spec: any("spec") });
      assert.deepEqual([whole?.labels, whole?.image, whole?.snapshotKey], [labels, "other", "rw2"]);
      assert.deepEqual(Object.keys(whole?.extensions ?? {}).sort(), ["e", "f"]);
      assert.equal(Buffer.from(whole?.spec?.value ?? []).toString(), "spec");
      const masked = await updatedContainer({ labels: { a: "one" }, image: "third" }, "labels.a", "labels.b", "image");
      assert.deepEqual([masked?.labels, masked?.image, masked?.snapshotKey], [{ a: "one" }, "third", "rw2"]);
      const extended = await updatedContainer({ extensions: { e: any("new") } }, "extensions.e");
      assert.equal(Buffer.from(extended?.extensions["e"]?.value ?? []).toString(), "new");
      assert.equal(Buffer.from(extended?.extensions["f"]?.value ?? []).toString(), "2");
      assert.equal((await updatedContainer({ snapshotKey: "rw3" }, "snapshotkey"))?.snapshotKey, "rw3");
      // Not without some of the extensions: a daemon then answers that they are gone, and has them all the same.
      const last = await updatedContainer({ extensions: { e: any("last"), f: any("last") } });
      assert.deepEqual([last?.labels, last?.image], [{}, container.image]);
      assert.deepEqual(last?.createdAt, before?.createdAt);
      assert.deepEqual([last?.runtime?.name, last?.snapshotter], [container.runtime?.name, container.snapshotter]);
    });

    it("lists containers by their fields, at once and one by one", async () => {
      const other = {
        ...container,
        id: "other",
        labels: { role: "db" },
        runtime: { name: "io.containerd.other.v1" },
      };
      await rpc.unary(Containers.method.create, { container: other });
      const found = async (...filters: string[]) => {
        const { containers } = await rpc.unary(Containers.method.list, { filters });
        const streamed = await all(rpc.serverStream(Containers.method.listStream, { filters }));
        const ids = containers.map((one) => one.id);
        assert.deepEqual(
          streamed.map((one) => one.container?.id),
          ids,
        );
        return ids;
      };
      assert.deepEqual(await found(), ["other", "there"]);
      assert.deepEqual(await found("id==there"), ["there"]);
      assert.deepEqual(await found("labels.role==db"), ["other"]);
      assert.deepEqual(await found("labels"), []);
      assert.deepEqual(await found("runtime.name~=other"), ["other"]);
      assert.deepEqual(await found("image==example.com/image:1"), ["other", "there"]);
      await rpc.unary(Containers.method.delete, { id: "other" });
      await assert.rejects(rpc.unary(Containers.method.get, { id: "other" }), isNotFound);
      assert.deepEqual(await found(), ["there"]);
    });

    it("makes namespaces of what is written to, labels and deletes them", async () => {
      const names = async () => (await rpc.unary(Namespaces.method.list, {})).namespaces.map((one) => one.name);
      const name = `${rpc.namespace}-new`;
      assert.ok((await names()).includes(rpc.namespace));
      await rpc.inNamespace(name).unary(Images.method.list, {});
      assert.ok(!(await names()).includes(name));
      await rpc.unary(Namespaces.method.create, { namespace: { name, labels: { a: "1", b: "2" } } });
      const update = {
        namespace: { name, labels: { a: "one", c: "3" } },
        updateMask: { paths: ["labels.a", "labels.b"] },
      };
      await rpc.unary(Namespaces.method.update, update);
      const { namespace } = await rpc.unary(Namespaces.method.get, { name });
      assert.deepEqual(namespace?.labels, { a: "one" });
      await rpc.inNamespace(name).unary(Leases.method.create, { id: "no hindrance" });
      await rpc.unary(Namespaces.method.delete, { name });
      assert.deepEqual((await rpc.unary(Namespaces.method.get, { name })).namespace?.labels, {});
      assert.ok(!(await names()).includes(name));
      assert.deepEqual((await rpc.inNamespace(name).unary(Leases.method.list, {})).leases, []);
    });
  });
}
