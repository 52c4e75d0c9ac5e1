import type { CallOptions, LeaseRef } from "../../call-options.js";
import type { Writer } from "../../content/store.js";
import type { Services } from "../services.js";
import { type Intent, intentResource } from "./intent.js";

/**
 * The word on a lease that a task is paused. It can be an entry and nothing else; or, where a blob is to be written after the pause, the
 * name of that blob's ingest, which is on the lease from when it is opened until the blob is committed: that takes no call of its own.
 */
export class PauseNote {
  readonly resource: ReturnType<typeof intentResource>;
  readonly #services: Services;
  readonly #lease: LeaseRef;
  readonly #blob: Uint8Array | undefined;
  #writer: Writer | undefined;

  constructor(services: Services, lease: LeaseRef, intent: Intent, blob: Uint8Array | undefined) {
    this.resource = intentResource(intent);
    this.#services = services;
    this.#lease = lease;
    this.#blob = blob;
  }

  /** Puts it there. What is done about it later must be done within `lastsMs`. */
  async write(call: CallOptions, lastsMs: number): Promise<void> {
    if (this.#blob === undefined) {
      await this.#services.leases.addResource(this.#lease, this.resource, call);
    } else {
      const options = { signal: call.signal, timeoutMs: lastsMs, lease: this.#lease, size: this.#blob.length };
      this.#writer = await this.#services.content.writer(this.resource.id, options);
    }
  }

  /** Takes it away; the blob is written then. */
  async erase(call: CallOptions): Promise<void> {
    if (this.#writer === undefined || this.#blob === undefined) {
      await this.#services.leases.deleteResource(this.#lease, this.resource, call);
    } else {
      await this.#writer.write(this.#blob);
      await this.#writer.commit();
    }
  }

  /** Lets go of it as it is: it goes with the lease. */
  async leave(): Promise<void> {
    await this.#writer?.[Symbol.asyncDispose]();
  }
}
