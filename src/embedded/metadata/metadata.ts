import type { Records } from "../daemon.js";
import type { RecordFiles } from "./record-files.js";
import type { RecordKinds } from "./record-kinds.js";

type Kind = keyof RecordKinds;

/** All records: in memory, and in files too where there is a directory. */
export class Metadata {
  readonly #files: RecordFiles | undefined;
  /** By kind, namespace and key. */
  readonly #records = new Map<string, Map<string, Map<string, unknown>>>();
  readonly #changed: (isDeletion: boolean) => void;

  /** Reads what the files hold; tells `changed` of every change after that, and whether it is a deletion. */
  constructor(files: RecordFiles | undefined, changed: (isDeletion: boolean) => void) {
    this.#files = files;
    this.#changed = changed;
    for (const { kind, namespace, key, value } of files?.read() ?? []) this.#of(kind, namespace).set(key, value);
  }

  /** The namespaces there are, sorted. */
  namespaces(): string[] {
    return [...(this.#records.get("namespaces")?.keys() ?? [])]
      .filter((namespace) => this.#of("namespaces", namespace).size > 0)
      .sort();
  }

  of<K extends Kind>(namespace: string, kind: K): Records<RecordKinds[K]> {
    const records = this.#of(kind, namespace) as Map<string, RecordKinds[K]>;
    return {
      get: (key) => records.get(key),
      has: (key) => records.has(key),
      entries: () => [...records].sort(([one], [other]) => (one < other ? -1 : 1)),
      set: (key, value) => {
        // Whoever writes to a namespace makes it.
        if (kind !== "namespaces") this.#make(namespace);
        this.#set(kind, namespace, key, value);
      },
      delete: (key) => {
        if (!records.has(key)) return false;
        this.#files?.delete({ kind, namespace, key });
        records.delete(key);
        this.#changed(true);
        return true;
      },
    };
  }

  #make(namespace: string): void {
    if (!this.#of("namespaces", namespace).has(namespace)) {
      this.#set("namespaces", namespace, namespace, { labels: {} });
    }
  }

  #set(kind: Kind, namespace: string, key: string, value: RecordKinds[Kind]): void {
    this.#files?.set({ kind, namespace, key, value });
    this.#of(kind, namespace).set(key, value);
    this.#changed(false);
  }

  #of(kind: string, namespace: string): Map<string, unknown> {
    const kinds = this.#records.get(kind) ?? new Map<string, Map<string, unknown>>();
    this.#records.set(kind, kinds);
    const records = kinds.get(namespace) ?? new Map<string, unknown>();
    kinds.set(namespace, records);
    return records;
  }
}
