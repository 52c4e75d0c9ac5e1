import type { Descriptor } from "../oci/descriptor.js";
import { toListener } from "./listener.js";

/** Where a copy is. */
export interface CopyProgress {
  /** The blob this is about. */
  readonly descriptor: Descriptor;
  /** `copying` when bytes of it came, `copied` when it is there now, `present` when it was there before. */
  readonly state: "copying" | "copied" | "present";
  /** Bytes of all blobs that are in the store by now. */
  readonly bytes: number;
  /** Bytes of all blobs that are meant. */
  readonly totalBytes: number;
}

/** Counts what was copied, and tells. A listener that throws cannot harm the copy: its error is thrown on its own. */
export class CopyCounter {
  readonly #listener: (progress: CopyProgress) => void;
  /** Of the blobs that are on their way. */
  readonly #offsets = new Map<string, number>();
  #bytes = 0;
  #totalBytes = 0;
  #copied = 0;
  #present = 0;
  #moved = 0;

  constructor(listener: ((progress: CopyProgress) => void) | undefined) {
    this.#listener = toListener(listener);
  }

  get result(): { readonly copied: number; readonly present: number; readonly bytes: number } {
    return { copied: this.#copied, present: this.#present, bytes: this.#moved };
  }

  expect({ size }: Descriptor): void {
    this.#totalBytes += size;
  }

  moved(descriptor: Descriptor, offset: number): void {
    this.#set(descriptor, offset);
    this.#tell(descriptor, "copying");
  }

  /** `moved` is undefined when the blob was there. */
  done(descriptor: Descriptor, moved: number | undefined): void {
    this.#set(descriptor, descriptor.size);
    this.#offsets.delete(descriptor.digest);
    if (moved === undefined) this.#present++;
    else this.#copied++;
    this.#moved += moved ?? 0;
    this.#tell(descriptor, moved === undefined ? "present" : "copied");
  }

  #set({ digest }: Descriptor, offset: number): void {
    this.#bytes += offset - (this.#offsets.get(digest) ?? 0);
    this.#offsets.set(digest, offset);
  }

  #tell(descriptor: Descriptor, state: CopyProgress["state"]): void {
    this.#listener({ descriptor, state, bytes: this.#bytes, totalBytes: this.#totalBytes });
  }
}
