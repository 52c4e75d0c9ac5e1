import type { CallOptions } from "../../call-options.js";
import type { Provider } from "../../content/store.js";
import type { Descriptor } from "../../oci/descriptor.js";
import type { WholeLimits } from "../archive/limits.js";
import { DumpBudget } from "../criu/budget.js";
import { ImageMagic, readImage } from "../criu/image.js";
import type { Message } from "../criu/message.js";
import { filesystemsOf, isReadOnlyMount, mountRecord } from "../criu/records.js";
import { listTarMembers, type TarMember } from "../tar-members.js";
import { capabilitiesOf } from "./capabilities.js";

/** The kind and mode a root filesystem's directory has under containerd, whatever its layers say. */
const CONTAINERD_ROOT_MODE = 0o40755;

/** A set of capabilities has 64 bits. */
const CAPABILITY_WORDS = 2;

/** A mount as a dump has it. */
export interface DumpMount {
  readonly path: string;
  /** Which directory of its filesystem it shows. */
  readonly root: string;
  readonly filesystem: string;
  /** All that its filesystem may turn out to be. */
  readonly kinds: readonly string[];
  /** Whether nothing can be written through it. */
  readonly isReadOnly: boolean;
  readonly isExternal: boolean;
  /** The filesystem's number. */
  readonly device: number;
}

/** What of a dump decides how it is restored elsewhere. */
export interface DumpFacts {
  /** Whether there is an inventory: without one it is no dump of criu's, or only one that came before another. */
  readonly isWhole: boolean;
  /** The mounts as the dump has them. */
  readonly mounts: readonly DumpMount[];
  /** The names by which a restore must say what stands for mounts from outside. */
  readonly mountKeys: ReadonlySet<string>;
  /** The modes that root directories had which processes stand in. */
  readonly rootModes: ReadonlySet<number>;
  /** Capabilities the processes have or can get, by who has them. */
  readonly capabilities: ReadonlyMap<string, number>;
  /** Whether there are seccomp filters. */
  readonly hasSeccomp: boolean;
  /** Whether there are established TCP connections. */
  readonly hasTcp: boolean;
  /** Whether there are file locks. */
  readonly hasFileLocks: boolean;
}

/** Reads what decides of a dump: of memory nothing, of the rest only a few images. */
export async function dumpFacts(
  provider: Provider,
  task: Descriptor,
  limits: WholeLimits,
  call: CallOptions,
): Promise<DumpFacts> {
  const facts = {
    isWhole: false,
    mounts: [] as DumpMount[],
    mountKeys: new Set<string>(),
    rootModes: new Set<number>(),
    capabilities: new Map<string, number>(),
    hasSeccomp: false,
    hasTcp: false,
    hasFileLocks: false,
  };
  const budget = new DumpBudget(limits);
  const take = (magic: number, read: (entry: Message) => void) => async (member: TarMember) => {
    const body = provider.read(task, { ...call, offset: member.offset, length: member.size });
    for await (const entry of readImage(member.name, body, magic, budget)) {
      budget.takeRecords();
      read(entry);
    }
  };
  const readers: readonly (readonly [RegExp, (member: TarMember) => Promise<void>])[] = [
    [
      /^mountpoints-\d+\.img$/,
      take(ImageMagic.mountPoints, (entry) => {
        const { externalKey, path, root, filesystem } = mountRecord(entry);
        const isExternal = externalKey !== undefined;
        const [kinds, isReadOnly] = [filesystemsOf(entry), isReadOnlyMount(entry)];
        facts.mounts.push({ path, root, filesystem, kinds, isReadOnly, isExternal, device: entry.number(3) });
        if (externalKey !== undefined) facts.mountKeys.add(externalKey);
      }),
    ],
    [/^files\.img$/, take(ImageMagic.files, (entry) => entry.has(3) && addRootMode(entry.message(3), facts.rootModes))],
    [/^reg-files\.img$/, take(ImageMagic.regFiles, (entry) => addRootMode(entry, facts.rootModes))],
    [/^core-\d+\.img$/, take(ImageMagic.core, (entry) => addCapabilities(entry, facts.capabilities))],
  ];
  for await (const member of listTarMembers(provider, task, call)) {
    facts.isWhole ||= member.name === "inventory.img";
    facts.hasSeccomp ||= member.name === "seccomp.img";
    facts.hasTcp ||= member.name.startsWith("tcp-stream-");
    facts.hasFileLocks ||= member.name === "filelocks.img";
    const [, read] = readers.find(([name]) => name.test(member.name)) ?? [];
    await read?.(member);
  }
  return facts;
}

/** Whether criu would find another mode than it expects on the root directory that containerd makes. */
export function hasOtherRootMode({ rootModes }: DumpFacts): boolean {
  return [...rootModes].some((mode) => mode !== CONTAINERD_ROOT_MODE);
}

/** @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/regfile.proto */
function addRootMode(file: Message, modes: Set<number>): void {
  if (file.text(6) === "/" && file.has(10)) modes.add(file.number(10));
}

/**
 * @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/core.proto
 * @see https://github.com/checkpoint-restore/criu/blob/v4.2.1/images/creds.proto
 */
function addCapabilities(core: Message, found: Map<string, number>): void {
  const thread = core.message(5);
  const credentials = thread.message(10);
  for (const field of [9, 10, 11, 12, 19]) {
    for (const name of capabilitiesOf(credentials.numbers(field, CAPABILITY_WORDS)))
      found.set(name, (found.get(name) ?? 0) + 1);
  }
}
