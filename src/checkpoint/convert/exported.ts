import type { CallOptions } from "../../call-options.js";
import { readBlob } from "../../content/blob.js";
import { readManifest } from "../../content/image-manifest.js";
import type { Provider } from "../../content/store.js";
import { FailedPreconditionError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import type { Manifest } from "../../oci/manifest.js";
import { parseSpec, type Spec } from "../../oci/runtime-spec.js";
import { decodeAny } from "../../typeurl.js";
import type { WholeLimits } from "../archive/limits.js";
import { type Checkpoint, checkpointName } from "../document.js";
import { CheckpointMediaType } from "../media-types.js";
import { listTarMembers, type TarMember } from "../tar-members.js";
import { type DumpFacts, dumpFacts } from "./dump-facts.js";

/** A checkpoint as an archive is to be made of it: looked at before the first byte. */
export interface ExportedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly provider: Provider;
  readonly call: CallOptions;
  readonly task: Descriptor;
  readonly spec: Spec;
  readonly dump: DumpFacts;
  readonly images: readonly TarMember[];
  /** What the archive it was once made of had beside memory and files. */
  readonly documents?: { readonly descriptor: Descriptor; readonly members: readonly TarMember[] };
  /** The base image's manifest. */
  readonly base?: Manifest;
}

/**
 * Reads what decides.
 *
 * @throws {FailedPreconditionError} when there is no memory in it, or no spec
 */
export async function readExported(
  checkpoint: Checkpoint,
  provider: Provider,
  baseImage: Descriptor | undefined,
  limits: WholeLimits,
  call: CallOptions,
): Promise<ExportedCheckpoint> {
  const { task, spec, others, image } = checkpoint;
  if (task === undefined || spec === undefined) {
    throw new FailedPreconditionError(
      `Cannot export ${checkpointName(checkpoint)}: engines restore nothing without memory and spec, and it holds no ${task === undefined ? "task" : "spec"}`,
    );
  }
  const descriptor = others.find(({ mediaType }) => mediaType === CheckpointMediaType.documents);
  const base = baseImage ?? image.descriptor;
  const dump = await dumpFacts(provider, task, limits, call);
  if (!dump.isWhole)
    throw new FailedPreconditionError(`Cannot export ${checkpointName(checkpoint)}: its dump is not of criu's making`);
  return {
    checkpoint,
    provider,
    call,
    task,
    spec: parseSpec(decodeAny(await readBlob(provider, spec, call)).value),
    dump,
    images: await filesOf(provider, task, call),
    ...(descriptor === undefined
      ? {}
      : { documents: { descriptor, members: await filesOf(provider, descriptor, call) } }),
    ...(base === undefined ? {} : { base: (await readManifest(provider, base, call)).manifest }),
  };
}

async function filesOf(provider: Provider, tar: Descriptor, call: CallOptions): Promise<readonly TarMember[]> {
  const members: TarMember[] = [];
  for await (const member of listTarMembers(provider, tar, call)) if (member.isFile) members.push(member);
  return members;
}

/** Bytes of a part that is a tar. */
export async function* readPart(
  { provider, call }: Pick<ExportedCheckpoint, "provider" | "call">,
  tar: Descriptor,
  { offset, size }: Pick<TarMember, "offset" | "size">,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (size > 0) yield* provider.read(tar, { ...call, offset, length: size });
}
