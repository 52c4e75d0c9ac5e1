import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { AnySchema, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { type ContainerSchema, Containers } from "../../../src/api/services/containers/v1/containers_pb.js";
import { Content } from "../../../src/api/services/content/v1/content_pb.js";
import { Events } from "../../../src/api/services/events/v1/events_pb.js";
import { type Image, ImageSchema, Images } from "../../../src/api/services/images/v1/images_pb.js";
import { Introspection } from "../../../src/api/services/introspection/v1/introspection_pb.js";
import { Leases } from "../../../src/api/services/leases/v1/leases_pb.js";
import { Snapshots } from "../../../src/api/services/snapshots/v1/snapshots_pb.js";
import { Tasks } from "../../../src/api/services/tasks/v1/tasks_pb.js";
import { Status } from "../../../src/api/types/task/task_pb.js";
import { CheckpointMediaType } from "../../../src/checkpoint/media-types.js";
import { MemoryStore, writeBlob } from "../../../src/content/index.js";
import type { Transport } from "../../../src/index.js";
import { type Descriptor, encodeSpec, type Spec } from "../../../src/oci/index.js";
import { encodeAny, RuntimeSpecType } from "../../../src/typeurl.js";
import { contentService } from "./content-service.js";
import type { Implementations } from "./lie.js";

export const CONTAINER = "counter";
const PID = 4242;
const SPEC: Spec = { ociVersion: "1.0.2", process: { user: { uid: 0, gid: 0 }, args: ["count"], cwd: "/" } };

/** A daemon in this process with one container, whose task can be paused and dumped. It tells the truth. */
export class HonestDaemon {
  readonly store: MemoryStore = new MemoryStore();
  readonly images: Map<string, Image> = new Map();
  readonly leases: Map<string, { readonly labels: Record<string, string>; readonly held: Map<string, string> }> =
    new Map();
  readonly containers: Map<string, MessageInitShape<typeof ContainerSchema>> = new Map();
  status: Status = Status.RUNNING;
  pauses = 0;

  constructor() {
    this.containers.set(CONTAINER, {
      id: CONTAINER,
      runtime: { name: "io.containerd.runc.v2" },
      spec: { typeUrl: RuntimeSpecType.spec, value: encodeSpec(SPEC) },
    });
  }

  /** A way to it on which some services say what `lies` has in their place. */
  transport(lies: Implementations = {}): Transport {
    const honest = this.#implementations();
    return createRouterTransport(({ service }) => {
      service(Content, { ...contentService(this.store), ...lies.content });
      service(Images, { ...honest.images, ...lies.images });
      service(Containers, { ...honest.containers, ...lies.containers });
      service(Tasks, { ...honest.tasks, ...lies.tasks });
      service(Leases, { ...honest.leases, ...lies.leases });
      service(Snapshots, lies.snapshots ?? {});
      service(Events, lies.events ?? {});
      service(Introspection, { ...honest.introspection, ...lies.introspection });
    });
  }

  /** What criu would write, in the store. */
  async dump(): Promise<readonly Descriptor[]> {
    const memory = await writeBlob(this.store, Buffer.alloc(2048), { mediaType: CheckpointMediaType.task });
    const any = create(AnySchema, { typeUrl: RuntimeSpecType.spec, value: encodeSpec(SPEC) });
    return [memory, await writeBlob(this.store, encodeAny(any), { mediaType: CheckpointMediaType.spec })];
  }

  #implementations(): Required<Pick<Implementations, "images" | "containers" | "tasks" | "leases" | "introspection">> {
    const found = <T>(value: T | undefined, what: string): T => {
      if (value === undefined) throw new ConnectError(`${what}: not found`, Code.NotFound);
      return value;
    };
    return {
      images: {
        get: ({ name }) => ({ image: found(this.images.get(name), `image "${name}"`) }),
        list: () => ({ images: [...this.images.values()] }),
        create: ({ image }) => {
          if (this.images.has(image?.name ?? "")) throw new ConnectError("already exists", Code.AlreadyExists);
          const now = timestampFromDate(new Date());
          const made = create(ImageSchema, { ...found(image, "image"), createdAt: now, updatedAt: now });
          this.images.set(made.name, made);
          return { image: made };
        },
        delete: ({ name }) => {
          if (!this.images.delete(name)) throw new ConnectError("not found", Code.NotFound);
          return {};
        },
      },
      containers: {
        get: ({ id }) => ({ container: found(this.containers.get(id), `container "${id}"`) }),
        list: () => ({ containers: [...this.containers.values()] }),
        create: ({ container }) => {
          const made = found(container, "container");
          this.containers.set(made.id, made);
          return { container: made };
        },
        delete: ({ id }) => {
          if (!this.containers.delete(id)) throw new ConnectError("not found", Code.NotFound);
          return {};
        },
      },
      tasks: {
        get: ({ containerId }) => {
          if (containerId !== CONTAINER) throw new ConnectError("no such task", Code.NotFound);
          return { process: { id: containerId, pid: PID, status: this.status } };
        },
        pause: () => {
          this.pauses++;
          this.status = Status.PAUSED;
          return {};
        },
        resume: () => {
          this.status = Status.RUNNING;
          return {};
        },
        checkpoint: async () => ({
          descriptors: (await this.dump()).map(({ mediaType, digest, size }) => ({
            mediaType,
            digest,
            size: BigInt(size),
          })),
        }),
      },
      leases: {
        create: ({ id, labels }) => {
          if (this.leases.has(id)) throw new ConnectError(`lease "${id}": already exists`, Code.AlreadyExists);
          this.leases.set(id, { labels, held: new Map() });
          return { lease: { id, labels, createdAt: timestampFromDate(new Date()) } };
        },
        list: ({ filters }) => {
          // Only what the library asks: all of an operation, or one by its id.
          const all = [...this.leases].map(([id, { labels }]) => ({ id, labels }));
          const ids = filters.filter((filter) => filter.startsWith("id=="));
          return { leases: all.filter(({ id }) => ids.length === 0 || ids.includes(`id==${JSON.stringify(id)}`)) };
        },
        listResources: ({ id }) => {
          const { held } = found(this.leases.get(id), `lease "${id}"`);
          return { resources: [...held].map(([resource, type]) => ({ id: resource, type })) };
        },
        addResource: ({ id, resource }) => {
          found(this.leases.get(id), `lease "${id}"`).held.set(resource?.id ?? "", resource?.type ?? "");
          return {};
        },
        deleteResource: ({ id, resource }) => {
          found(this.leases.get(id), `lease "${id}"`).held.delete(resource?.id ?? "");
          return {};
        },
        delete: ({ id }) => {
          if (!this.leases.delete(id)) throw new ConnectError("not found", Code.NotFound);
          return {};
        },
      },
      introspection: { plugins: () => ({ plugins: [] }), server: () => ({ uuid: "honest" }) },
    };
  }
}
