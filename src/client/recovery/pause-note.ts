import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions, LeaseRef } from "../../call-options.js";
import { writeBlob } from "../../content/blob.js";
import { orUndefined } from "../../content/found.js";
import type { Writer } from "../../content/store.js";
import type { Services } from "../services.js";
import { isUnanswered } from "./frozen-task.js";
import { type Intent, intentResource } from "./intent.js";

const SHORTEST_REST_MS = 25;
const LONGEST_REST_MS = 1_000;

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
  #lost = false;

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

  /** To be called when it is not true any more, before it is taken away. */
  async isOver(): Promise<void> {
    try {
      if (this.#blob !== undefined) await this.#writer?.write(this.#blob);
    } catch (reason) {
      if (!isUnanswered(reason)) throw reason;
      this.#lost = true;
    }
  }

  /** Takes it away; the blob is committed then. */
  async erase(call: CallOptions & { readonly timeoutMs: number }): Promise<void> {
    const { id } = this.resource;
    const [writer, blob] = [this.#writer, this.#blob];
    if (writer === undefined || blob === undefined) {
      await this.#services.leases.deleteResource(this.#lease, this.resource, call);
      return;
    }
    try {
      if (!this.#lost) return void (await writer.commit());
    } catch (reason) {
      if (!isUnanswered(reason)) throw reason;
    }
    await this.#eraseAnew(id, blob, call);
  }

  /** An ingest is bound to the connection it was opened over, and that was lost since. */
  async #eraseAnew(id: string, blob: Uint8Array, call: CallOptions & { readonly timeoutMs: number }): Promise<void> {
    const { content } = this.#services;
    const end = performance.now() + call.timeoutMs;
    for (let rest = SHORTEST_REST_MS; ; rest = Math.min(2 * rest, LONGEST_REST_MS)) {
      try {
        await orUndefined(content.abort(id, call));
        const options = { mediaType: "", ref: `${this.#lease.id}/after-pause` };
        await writeBlob(content, blob, options, { ...call, lease: this.#lease });
        return;
      } catch (reason) {
        if (!isUnanswered(reason) || performance.now() + rest > end) throw reason;
      }
      await sleep(rest);
    }
  }

  /** Lets go of it as it is: it goes with the lease. */
  async leave(): Promise<void> {
    await this.#writer?.[Symbol.asyncDispose]();
  }
}
