import { Containers } from "../../src/api/services/containers/v1/containers_pb.js";
import { Content } from "../../src/api/services/content/v1/content_pb.js";
import { Events } from "../../src/api/services/events/v1/events_pb.js";
import { Images } from "../../src/api/services/images/v1/images_pb.js";
import { Leases } from "../../src/api/services/leases/v1/leases_pb.js";
import { Namespaces } from "../../src/api/services/namespaces/v1/namespace_pb.js";
import type { ErrorCode } from "../../src/errors.js";
import type { Rpc } from "../../src/rpc/rpc.js";

/** What must be refused, with which code. */
export interface Refusal {
  readonly what: string;
  readonly code: ErrorCode;
  readonly call: (rpc: Rpc) => Promise<unknown>;
}

interface Target {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: bigint;
}

const digest = `sha256:${"0".repeat(64)}`;
const target: Target = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 7n };
const spec = { typeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Spec", value: Buffer.from("{}") };

/** The container that is there. */
export const container: {
  readonly id: string;
  readonly image: string;
  readonly runtime: { readonly name: string };
  readonly spec: { readonly typeUrl: string; readonly value: Buffer<ArrayBuffer> };
  readonly snapshotter: string;
  readonly snapshotKey: string;
} = {
  id: "there",
  image: "example.com/image:1",
  runtime: { name: "io.containerd.runc.v2" },
  spec,
  snapshotter: "native",
  snapshotKey: "rw",
};

/** The image that is there. */
export const image: { readonly name: string; readonly target: Target } = { name: "there", target };

const long = "x".repeat(77);
const big = { k: "x".repeat(4096) };

/** In a namespace that has the container, the image and a lease of the name `there`. */
export const refusals: readonly Refusal[] = [
  // Without a namespace, or with one that cannot be.
  {
    what: "no namespace",
    code: "failed_precondition",
    call: (rpc) => rpc.inNamespace("").unary(Images.method.list, {}),
  },
  {
    what: "a bad namespace",
    code: "invalid_argument",
    call: (rpc) => rpc.inNamespace("a/b").unary(Images.method.list, {}),
  },
  {
    what: "a long namespace",
    code: "invalid_argument",
    call: (rpc) => rpc.inNamespace(long).unary(Images.method.list, {}),
  },

  { what: "no image", code: "not_found", call: (rpc) => rpc.unary(Images.method.get, { name: "none" }) },
  { what: "an image twice", code: "already_exists", call: (rpc) => rpc.unary(Images.method.create, { image }) },
  {
    what: "an image without a name",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Images.method.create, { image: { target } }),
  },
  {
    what: "an image without a digest",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Images.method.create, { image: { name: "x", target: { mediaType: "x", size: 1n } } }),
  },
  {
    what: "an image of no size",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Images.method.create, { image: { name: "x", target: { ...target, size: 0n } } }),
  },
  {
    what: "an image of no type",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Images.method.create, { image: { name: "x", target: { ...target, mediaType: "" } } }),
  },
  {
    what: "an image with a long label",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Images.method.create, { image: { name: "x", target, labels: big } }),
  },
  {
    what: "an update of no image",
    code: "not_found",
    call: (rpc) => rpc.unary(Images.method.update, { image: { ...image, name: "none" } }),
  },
  {
    what: "an update of an image's name",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Images.method.update, { image, updateMask: { paths: ["name"] } }),
  },
  {
    what: "an update to a target of no size",
    code: "invalid_argument",
    call: (rpc) =>
      rpc.unary(Images.method.update, {
        image: { ...image, target: { ...target, size: 0n } },
        updateMask: { paths: ["target"] },
      }),
  },
  { what: "deletion of no image", code: "not_found", call: (rpc) => rpc.unary(Images.method.delete, { name: "none" }) },
  {
    what: "a bad filter",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Images.method.list, { filters: ["name=x"] }),
  },

  { what: "no container", code: "not_found", call: (rpc) => rpc.unary(Containers.method.get, { id: "none" }) },
  {
    what: "a container twice",
    code: "already_exists",
    call: (rpc) => rpc.unary(Containers.method.create, { container }),
  },
  ...(
    [
      ["without an id", { id: "" }],
      ["with an id that cannot be", { id: "a b" }],
      ["with a long id", { id: long }],
      ["without a runtime", { id: "x", runtime: { name: "" } }],
      ["with a key but no snapshotter", { id: "x", snapshotter: "" }],
      ["with a long label", { id: "x", labels: big }],
      ["with an extension of no name", { id: "x", extensions: { "": spec } }],
    ] as const
  ).map(
    ([what, changes]): Refusal => ({
      what: `a container ${what}`,
      code: "invalid_argument",
      call: (rpc) => rpc.unary(Containers.method.create, { container: { ...container, ...changes } }),
    }),
  ),
  {
    what: "an update of no container",
    code: "not_found",
    call: (rpc) => rpc.unary(Containers.method.update, { container: { ...container, id: "none" } }),
  },
  ...(
    [
      ["snapshotter", { snapshotter: "overlayfs" }, []],
      ["runtime", { runtime: { name: "other" } }, []],
      ["id", {}, ["id"]],
      ["runtime by its mask", {}, ["runtime"]],
      ["snapshotter by its mask", {}, ["snapshotter"]],
    ] as const
  ).map(
    ([what, changes, paths]): Refusal => ({
      what: `an update of a container's ${what}`,
      code: "invalid_argument",
      call: (rpc) =>
        rpc.unary(Containers.method.update, {
          container: { ...container, ...changes },
          ...(paths.length === 0 ? {} : { updateMask: { paths: [...paths] } }),
        }),
    }),
  ),
  {
    what: "deletion of no container",
    code: "not_found",
    call: (rpc) => rpc.unary(Containers.method.delete, { id: "none" }),
  },

  {
    what: "deletion of no namespace",
    code: "not_found",
    call: (rpc) => rpc.unary(Namespaces.method.delete, { name: "none" }),
  },
  {
    what: "a namespace twice",
    code: "already_exists",
    call: (rpc) => rpc.unary(Namespaces.method.create, { namespace: { name: rpc.namespace } }),
  },
  {
    what: "a namespace that cannot be",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Namespaces.method.create, { namespace: { name: "a/b" } }),
  },
  {
    what: "deletion of a namespace with things in it",
    code: "failed_precondition",
    call: (rpc) => rpc.unary(Namespaces.method.delete, { name: rpc.namespace }),
  },
  { what: "a lease twice", code: "already_exists", call: (rpc) => rpc.unary(Leases.method.create, { id: "there" }) },
  { what: "deletion of no lease", code: "not_found", call: (rpc) => rpc.unary(Leases.method.delete, { id: "none" }) },
  {
    what: "a resource of no lease",
    code: "not_found",
    call: (rpc) => rpc.unary(Leases.method.addResource, { id: "none", resource: { type: "content", id: digest } }),
  },
  {
    what: "a resource that cannot be held",
    code: "not_implemented",
    call: (rpc) => rpc.unary(Leases.method.addResource, { id: "there", resource: { type: "containers", id: "x" } }),
  },
  {
    what: "snapshots of no snapshotter",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Leases.method.addResource, { id: "there", resource: { type: "snapshots", id: "x" } }),
  },
  {
    what: "the resources of no lease",
    code: "not_found",
    call: (rpc) => rpc.unary(Leases.method.listResources, { id: "none" }),
  },

  { what: "no blob", code: "not_found", call: (rpc) => rpc.unary(Content.method.info, { digest }) },
  {
    what: "a blob of no digest",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Content.method.info, { digest: "x" }),
  },
  {
    what: "an update of no blob",
    code: "not_found",
    call: (rpc) => rpc.unary(Content.method.update, { info: { digest }, updateMask: { paths: ["labels"] } }),
  },
  { what: "deletion of no blob", code: "not_found", call: (rpc) => rpc.unary(Content.method.delete, { digest }) },
  {
    what: "the status of no ingest",
    code: "not_found",
    call: (rpc) => rpc.unary(Content.method.status, { ref: "none" }),
  },
  { what: "the end of no ingest", code: "not_found", call: (rpc) => rpc.unary(Content.method.abort, { ref: "none" }) },

  {
    what: "an event of no topic",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Events.method.publish, { topic: "", event: spec }),
  },
  {
    what: "an event of a topic that is no path",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Events.method.publish, { topic: "a", event: spec }),
  },
  {
    what: "an event of a topic with a bad part",
    code: "invalid_argument",
    call: (rpc) => rpc.unary(Events.method.publish, { topic: "/a//b", event: spec }),
  },
];
