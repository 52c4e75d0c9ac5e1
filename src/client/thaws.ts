import type { Transport } from "../rpc/transport.js";
import type { Services } from "./services.js";

/** A dump as files in a directory of ours, for a task to be thawed from. */
export interface Thaw {
  /** Where the files lie; they are all there when `unpacked` resolves. */
  readonly images: string;
  /** Resolves when all is there, and is what it should be. */
  readonly unpacked: Promise<void>;
  /** Takes it away. Happens by itself when the task has started or is removed, and when the client is closed. */
  end(): Promise<void>;
}

const thaws = new WeakMap<Transport, Map<string, Set<Thaw>>>();

/** A task has started, or is gone: what it was to be thawed from is of no more use. */
export async function endThaw(services: Services, containerId: string): Promise<void> {
  const ours = thaws.get(services.rpc.transport)?.get(keyOf(services, containerId)) ?? [];
  await Promise.all([...ours].map((thaw) => thaw.end()));
}

/** The connection is about to be closed, and nobody could take away afterwards what lies there for tasks to be started. */
export async function endThaws(transport: Transport): Promise<void> {
  const all = [...(thaws.get(transport)?.values() ?? [])].flatMap((ours) => [...ours]);
  await Promise.all(all.map((thaw) => thaw.end()));
}

/** Until it ends it can be found by its container. */
export function registerThaw(services: Services, containerId: string, thaw: Thaw): Thaw {
  const { transport } = services.rpc;
  const key = keyOf(services, containerId);
  const here = thaws.get(transport) ?? new Map<string, Set<Thaw>>();
  const ours = here.get(key) ?? new Set<Thaw>();
  thaws.set(transport, here.set(key, ours));
  const registered: Thaw = {
    ...thaw,
    end: async () => {
      await thaw.end();
      ours.delete(registered);
      if (ours.size === 0 && here.get(key) === ours) here.delete(key);
    },
  };
  ours.add(registered);
  return registered;
}

function keyOf({ namespace }: Services, containerId: string): string {
  return `${namespace}/${containerId}`;
}
