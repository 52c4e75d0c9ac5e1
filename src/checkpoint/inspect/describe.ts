import type { Labels } from "../../oci/descriptor.js";
import type { JsonObject } from "../../oci/json.js";
import { CheckpointAnnotation } from "../annotations.js";
import type { CheckpointDescription, CheckpointEngine, CheckpointImage, CheckpointOrigin } from "../description.js";
import type { CriuLogFacts } from "./criu-log.js";
import { criuVersion, engineNamed, type ImageFacts, imageFacts } from "./image-annotations.js";
import type { CheckpointNetwork, CheckpointPod } from "./inspection.js";
import { digestIn, instantOf, jsonIn, objectIn, textIn, textsOf } from "./loose-json.js";

/** The documents that describe a checkpoint, as far as they are there. */
export interface CheckpointDocuments {
  readonly config?: JsonObject;
  readonly spec?: JsonObject;
  readonly status?: JsonObject;
  /** Annotations of the image that carries it. */
  readonly image?: Labels;
  readonly criuLog?: CriuLogFacts;
  /** The CPU by criu's images. */
  readonly architecture?: string;
  /** Whether the dump lies in a directory as Docker has it. */
  readonly isDockerDirectory: boolean;
}

type WithoutUndefined<T> = { readonly [K in keyof T]: T[K] | undefined };

/** Brings what the engines say, each in its own way, into the one form. */
export function describe(documents: CheckpointDocuments): CheckpointDescription {
  const { config = {}, image: annotations = {} } = documents;
  const facts = imageFacts(annotations);
  const spec = specAnnotations(documents);
  const engine = engineOf(documents, facts, spec);
  const criName = engine === "cri-o" ? textIn(jsonIn(spec, "io.kubernetes.cri-o.Metadata"), "name") : undefined;
  const docker = textIn(config, "Name")?.replace(/^\//, "");
  const known: WithoutUndefined<CheckpointDescription> = {
    origin: originOf(documents, facts, engine),
    containerId: textIn(config, "id") ?? textIn(config, "ID") ?? annotations[CheckpointAnnotation.containerId],
    containerName:
      criName ??
      spec["io.kubernetes.cri.container-name"] ??
      textIn(config, "name") ??
      docker ??
      facts.fact("container.name", "name"),
    containerCreatedAt:
      instantOf(engine === "cri-o" ? spec["io.kubernetes.cri-o.Created"] : undefined) ??
      instantOf(textIn(config, "createdTime") ?? textIn(config, "Created")),
    createdAt: instantOf(textIn(config, "checkpointedTime") ?? annotations[CheckpointAnnotation.createdAt]),
    image: imageOf(documents, facts, spec),
    runtime: withoutUndefined({
      name: textIn(config, "runtime") ?? facts.fact("runtime.name") ?? annotations[CheckpointAnnotation.runtime],
      version: facts.fact("runtime.version"),
    }),
    annotations,
  };
  return withoutUndefined(known);
}

/** Annotations of the runtime spec. */
export function specAnnotations({ spec = {} }: CheckpointDocuments): Labels {
  return textsOf(objectIn(spec, "annotations"));
}

/** The pod a container was in; undefined when nothing says that it was in one. */
export function podOf(documents: CheckpointDocuments): CheckpointPod | undefined {
  const spec = specAnnotations(documents);
  const { fact } = imageFacts(documents.image ?? {});
  const pod = withoutUndefined<CheckpointPod>({
    name: spec["io.kubernetes.cri.sandbox-name"] ?? spec["io.kubernetes.pod.name"] ?? fact("pod.name"),
    namespace:
      spec["io.kubernetes.cri.sandbox-namespace"] ?? spec["io.kubernetes.pod.namespace"] ?? fact("pod.namespace"),
    uid: spec["io.kubernetes.cri.sandbox-uid"] ?? spec["io.kubernetes.pod.uid"] ?? fact("pod.uid"),
  });
  return Object.keys(pod).length === 0 ? undefined : pod;
}

/** CRI-O notes addresses in annotations, and nothing else of the network. */
export function annotatedNetworks(documents: CheckpointDocuments): readonly CheckpointNetwork[] {
  const addresses = Object.entries(specAnnotations(documents))
    .filter(([key, value]) => /^io\.kubernetes\.cri-o\.IP\.\d+$/.test(key) && value !== "")
    .map(([, value]) => value);
  return addresses.length === 0 ? [] : [{ name: "", interfaces: [{ name: "", addresses, gateways: [] }] }];
}

function engineOf(documents: CheckpointDocuments, facts: ImageFacts, spec: Labels): CheckpointEngine {
  const managed = engineNamed(spec["io.container.manager"]);
  if (managed !== undefined) return managed;
  if (facts.engine !== undefined) return facts.engine;
  const { config = {}, image = {} } = documents;
  if (documents.status !== undefined || documents.spec !== undefined) return "containerd";
  if (image[CheckpointAnnotation.runtime] !== undefined) return "containerd";
  return documents.isDockerDirectory || textIn(config, "ID") !== undefined ? "docker" : "unknown";
}

function originOf(documents: CheckpointDocuments, { fact }: ImageFacts, engine: CheckpointEngine): CheckpointOrigin {
  const distribution = [fact("distribution.name"), fact("distribution.version")].filter((text) => text !== undefined);
  return withoutUndefined<CheckpointOrigin>({
    engine,
    engineVersion: fact("podman.version", "cri-o.version", "engine.version"),
    criuVersion: criuVersion(fact("criu.version")) ?? documents.criuLog?.criuVersion,
    conmonVersion: fact("conmon.version"),
    kernelVersion: fact("host.kernel") ?? documents.criuLog?.kernelVersion,
    architecture: documents.architecture ?? fact("host.arch"),
    distribution: distribution.length === 0 ? undefined : distribution.join(" "),
    cgroupVersion: fact("cgroups.version", "cgroup.version"),
  });
}

function imageOf(
  { config = {}, image = {} }: CheckpointDocuments,
  { fact }: ImageFacts,
  spec: Labels,
): CheckpointImage {
  const reference = textIn(config, "rootfsImageRef");
  const docker = textIn(objectIn(config, "Config"), "Image");
  const id = textIn(config, "rootfsImageID") ?? (isId(reference) ? reference : undefined) ?? fact("rootfsImageID");
  const repoDigest = [
    reference,
    fact("rootfsImageSha"),
    fact("rootfsImageID"),
    spec["io.kubernetes.cri-o.ImageRepoDigests"],
  ].find((text) => text?.includes("@"));
  return withoutUndefined<CheckpointImage>({
    name:
      textIn(config, "rootfsImageName") ??
      docker ??
      fact("rootfsImageName") ??
      image[CheckpointAnnotation.imageName] ??
      image[CheckpointAnnotation.taskImageName],
    requestedName:
      textIn(config, "RawImageName") ??
      textIn(config, "rootfsImage") ??
      fact("rawImageName", "rootfsImageUserRequested"),
    digest: digestIn(repoDigest) ?? digestIn(image[CheckpointAnnotation.imageDigest]),
    configDigest: digestIn(id?.includes("@") ? undefined : (id ?? textIn(config, "Image"))),
    chainId: digestIn(image[CheckpointAnnotation.chainId]),
  });
}

function isId(reference: string | undefined): boolean {
  return reference !== undefined && !reference.includes("@");
}

/** Leaves out what is not known: it is absent then, not undefined. */
export function withoutUndefined<T extends object>(from: WithoutUndefined<T>): T {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined)) as T;
}
