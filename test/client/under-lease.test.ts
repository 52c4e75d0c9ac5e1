import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Services } from "../../src/client/services.js";
import { holdContent } from "../../src/client/under-lease.js";

/** Leases of a daemon that says nothing until it is told to. */
class Silent {
  readonly deleted: string[] = [];
  #speaks: () => void = () => {};
  readonly #spoken = new Promise<void>((resolve) => {
    this.#speaks = resolve;
  });

  speak(): void {
    this.#speaks();
  }

  get services(): Pick<Services, "leases"> {
    const leases = {
      create: () => this.#spoken,
      delete: async ({ id }: { readonly id: string }) => void this.deleted.push(id),
    };
    return { leases } as unknown as Pick<Services, "leases">;
  }
}

describe("work under a lease that nobody answers for", { timeout: 30_000 }, () => {
  it("ends when its caller gives up, and the lease goes once it is known whether it was made", async () => {
    const daemon = new Silent();
    const caller = new AbortController();
    const held = holdContent(daemon.services, "export", { signal: caller.signal });
    caller.abort(new Error("given up"));
    await assert.rejects(held, /given up/);
    assert.deepEqual(daemon.deleted, []);
    daemon.speak();
    while (daemon.deleted.length === 0) await sleep(20);
    assert.equal(daemon.deleted.length, 1);
  });

  it("is not begun for a caller who has given up before", async () => {
    const daemon = new Silent();
    await assert.rejects(
      holdContent(daemon.services, "export", { signal: AbortSignal.abort(new Error("given up")) }),
      /given up/,
    );
    daemon.speak();
    await sleep(20);
    assert.deepEqual(daemon.deleted, []);
  });
});
