import { create } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { Namespaces } from "../api/services/namespaces/v1/namespace_pb.js";
import type { CallOptions } from "../call-options.js";
import { withDeadline } from "../content/deadline.js";
import { exists } from "../content/found.js";
import { AlreadyExistsError, InvalidArgumentError, isAlreadyExists, isNotFound } from "../errors.js";
import { defaultSpec } from "../oci/default-spec.js";
import type { Labels } from "../oci/descriptor.js";
import type { Platform } from "../oci/platform.js";
import { encodeSpec, type Spec, type SpecOption } from "../oci/runtime-spec.js";
import { withImageConfig } from "../oci/spec-image.js";
import { withHostNamespace } from "../oci/spec-isolation.js";
import { RuntimeSpecType } from "../typeurl.js";
import type { Container } from "./container.js";
import type { NewContainerRecord } from "./container-record.js";
import { requirePlugin } from "./features.js";
import type { Image } from "./image.js";
import { imageUser } from "./image-users.js";
import type { Services } from "./services.js";
import { type LeasedWork, underLease } from "./under-lease.js";
import { findPlatformImage, type UnpackedImage, type UnpackProgress, unpackImage } from "./unpack.js";

const DEFAULT_RUNTIME = "io.containerd.runc.v2";
const DEFAULT_SNAPSHOTTER = "overlayfs";
const RUNTIME_LABEL = "containerd.io/defaults/runtime";
const SNAPSHOTTER_LABEL = "containerd.io/defaults/snapshotter";
/** Tells whose a snapshot is when a call ended without an answer. */
const OWNER_LABEL = "containerd-client.create";

// See https://github.com/containerd/containerd/blob/v2.1.4/pkg/identifiers/validate.go
const identifier = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const LONGEST_ID = 76;
const LARGEST_LABEL = 4096;

/** What a new container is made of. */
export interface CreateContainerOptions {
  /** The image, or its name. It is unpacked first where that is not so already. */
  readonly image: Image | string;
  /** Comes after the image's entrypoint in place of the image's own command. */
  readonly args?: readonly string[] | undefined;
  /** Who runs it, as `user` or `user:group`, each a name or a number; the image's user when absent. */
  readonly user?: string | undefined;
  /** Shares the host's network instead of having one of its own with nothing but a loopback. */
  readonly hostNetwork?: boolean | undefined;
  /** Changes to the spec, in the order given, after what the image says. */
  readonly spec?: readonly SpecOption[] | undefined;
  /** Labels of the container; those of the image are not taken over. */
  readonly labels?: Labels | undefined;
  /** The snapshotter; the namespace's default, or `overlayfs`, when absent. */
  readonly snapshotter?: string | undefined;
  /** The runtime; the namespace's default, or `io.containerd.runc.v2`, when absent. */
  readonly runtime?: string | undefined;
  /** The runtime's own options, packed with `packAny`. */
  readonly runtimeOptions?: Any | undefined;
  /** The platform to take from an index; what the daemon says it runs when absent. */
  readonly platform?: Platform | undefined;
  /** Told about each layer that has to be unpacked. */
  readonly onProgress?: ((progress: UnpackProgress) => void) | undefined;
}

/** Makes a container from an image: all of it, or nothing. */
export async function createContainer(
  services: Services,
  id: string,
  options: CreateContainerOptions,
  call: CallOptions = {},
): Promise<Container> {
  requireIdentifier(id);
  requireLabels(options.labels ?? {});
  return withDeadline(`Creating container ${id}`, call, async (bounded) => {
    const plan = await look(services, id, options, bounded);
    return underLease(services, "create", bounded, (leased) => make(services, plan, options, leased));
  });
}

interface Plan {
  readonly id: string;
  readonly imageName: string;
  readonly image: UnpackedImage;
  readonly snapshotter: string;
  readonly runtime: NewContainerRecord["runtime"];
  readonly spec: Any;
}

/** Everything that can be known before anything is made. */
async function look(services: Services, id: string, options: CreateContainerOptions, call: CallOptions): Promise<Plan> {
  const { image: wanted, runtimeOptions } = options;
  const [record, defaults] = await Promise.all([
    typeof wanted === "string" ? services.images.get(wanted, call) : wanted,
    namespaceDefaults(services, options, call),
  ]);
  const [snapshotter, runtime] = [
    options.snapshotter ?? defaults[SNAPSHOTTER_LABEL] ?? DEFAULT_SNAPSHOTTER,
    options.runtime ?? defaults[RUNTIME_LABEL] ?? DEFAULT_RUNTIME,
  ];
  const [image] = await Promise.all([
    findPlatformImage(services, record.target, options.platform, call),
    requirePlugin(services, "io.containerd.snapshotter.v1", snapshotter, true, call),
    refuseTaken(services, id, snapshotter, call),
  ]);
  const spec = await specFor(services, id, image, options, call);
  return {
    id,
    imageName: record.name,
    image,
    snapshotter,
    runtime: { name: runtime, ...(runtimeOptions === undefined ? {} : { options: runtimeOptions }) },
    spec: create(AnySchema, { typeUrl: RuntimeSpecType.spec, value: encodeSpec(spec) }),
  };
}

async function specFor(
  services: Services,
  id: string,
  { config, layers }: UnpackedImage,
  options: CreateContainerOptions,
  call: CallOptions,
): Promise<Spec> {
  const user = await imageUser(services.content, layers, options.user ?? config.config?.User ?? "", call);
  const spec = defaultSpec({ id, namespace: services.namespace });
  withImageConfig(config, { user, ...(options.args === undefined ? {} : { args: options.args }) })(spec);
  if (options.hostNetwork === true) withHostNamespace("network")(spec);
  for (const option of options.spec ?? []) option(spec);
  return spec;
}

async function make(
  services: Services,
  plan: Plan,
  { labels, onProgress }: CreateContainerOptions,
  leased: LeasedWork,
): Promise<Container> {
  const { id, image, snapshotter } = plan;
  const { call } = leased;
  await unpackImage(services, image.manifest, { snapshotter, platform: image.config, onProgress }, call);
  await prepareSnapshot(services, plan, leased);
  const { imageName, runtime, spec } = plan;
  const record = { id, image: imageName, runtime, snapshotter, snapshotKey: id, spec, labels };
  let made: Container | undefined;
  return leased.make(
    `container ${id}`,
    async (whole) => {
      made = await services.containers.register(record, whole);
      return made;
    },
    (undo) => (made === undefined ? removeOwnRecord(services, plan, leased.id, undo) : made.delete(undo)),
  );
}

async function prepareSnapshot(
  services: Services,
  { id, image, snapshotter }: Plan,
  leased: LeasedWork,
): Promise<void> {
  const snapshots = services.snapshots(snapshotter);
  const labels = { [OWNER_LABEL]: leased.id };
  try {
    await leased.make(
      `snapshot ${id}`,
      (call) => snapshots.prepare(id, image.chainId, { ...call, labels }),
      async (undo) => {
        if (await isOurs(services, snapshotter, id, leased.id, undo)) await snapshots.remove(id, undo);
      },
    );
  } catch (reason) {
    if (isAlreadyExists(reason))
      throw taken(services, id, `snapshotter ${snapshotter} has a snapshot of that name`, reason);
    throw reason;
  }
}

/** A call that ended without an answer may have made its object, and so may another caller with the same id. */
async function isOurs(
  services: Services,
  snapshotter: string,
  key: string,
  owner: string,
  call: CallOptions,
): Promise<boolean> {
  const { labels } = await services.snapshots(snapshotter).stat(key, call);
  return labels[OWNER_LABEL] === owner;
}

async function removeOwnRecord(
  services: Services,
  { id, snapshotter }: Plan,
  owner: string,
  call: CallOptions,
): Promise<void> {
  if (!(await isOurs(services, snapshotter, id, owner, call))) return;
  const container = await services.containers.get(id, call);
  const record = await container.info(call);
  if (record.snapshotter === snapshotter && record.snapshotKey === id) await container.delete(call);
}

async function refuseTaken(services: Services, id: string, snapshotter: string, call: CallOptions): Promise<void> {
  if (await exists(services.containers.get(id, call))) throw taken(services, id, "a container of that id exists");
  if (await exists(services.snapshots(snapshotter).stat(id, call))) {
    throw taken(services, id, `snapshotter ${snapshotter} has a snapshot of that name`);
  }
}

function taken(services: Services, id: string, what: string, cause?: unknown): AlreadyExistsError {
  return new AlreadyExistsError(`Cannot create container ${JSON.stringify(id)}: ${what}`, {
    namespace: services.namespace,
    hint: "Delete it first, or choose another id.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Which runtime and snapshotter a namespace prefers stands in its labels; a namespace nobody made has none. */
async function namespaceDefaults(
  services: Services,
  options: CreateContainerOptions,
  call: CallOptions,
): Promise<Labels> {
  if (options.runtime !== undefined && options.snapshotter !== undefined) return {};
  try {
    const reply = await services.rpc.unary(Namespaces.method.get, { name: services.namespace }, call);
    return reply.namespace?.labels ?? {};
  } catch (reason) {
    if (isNotFound(reason)) return {};
    throw reason;
  }
}

function requireIdentifier(id: string): void {
  if (id.length <= LONGEST_ID && identifier.test(id)) return;
  throw new InvalidArgumentError(
    `Cannot create container ${JSON.stringify(id.slice(0, 160))}: expected at most ${LONGEST_ID} letters and digits, with single dots, dashes and underscores between them`,
  );
}

function requireLabels(labels: Labels): void {
  for (const [key, value] of Object.entries(labels)) {
    const size = Buffer.byteLength(key) + Buffer.byteLength(value);
    if (size <= LARGEST_LABEL) continue;
    throw new InvalidArgumentError(
      `Cannot label the container with ${JSON.stringify(key.slice(0, 64))}: key and value have ${size} bytes, at most ${LARGEST_LABEL} are taken`,
    );
  }
}
