import type { Digest } from "../oci/digest.js";
import type { Store } from "./store.js";

/** What others who have the store open see as long as it lasts. */
export interface Visit {
  /** Does something when nobody else can have found what was made since the visit began; else does not. */
  alone(act: () => Promise<void>): Promise<void>;
  /** Ends it. */
  leave(): Promise<void>;
}

/** A store that others may have open, too, in this process or another. */
export interface SharedStore extends Store {
  /** Begins a visit. */
  visit(): Promise<Visit>;
}

interface Claim {
  users: number;
  /** Whether one of them made it. */
  isMade: boolean;
  /** Whether one of them kept it. */
  isKept: boolean;
  /** Ends when it is gone. */
  going?: Promise<void>;
}

const ofStores = new WeakMap<Store, BlobClaims>();

/**
 * Who in this process needs which blobs of a store: equal parts of two archives are one blob, and stay if one of the two does. Where
 * others have the store open, what they may have found stays as well.
 */
export class BlobClaims {
  readonly #claims = new Map<Digest, Claim>();
  readonly #shared: SharedStore | undefined;
  /** Lasts as long as there are claims. */
  #visit: Promise<Visit> | undefined;

  private constructor(store: Store) {
    this.#shared = isShared(store) ? store : undefined;
  }

  /** Those of a store. */
  static of(store: Store): BlobClaims {
    const known = ofStores.get(store) ?? new BlobClaims(store);
    ofStores.set(store, known);
    return known;
  }

  /** Begins to need a blob, before it is looked for. Who is just removing it is waited for. */
  async claim(digest: Digest): Promise<void> {
    for (;;) {
      const claim = this.#claims.get(digest);
      if (claim?.going === undefined) {
        if (claim === undefined) this.#claims.set(digest, { users: 1, isMade: false, isKept: false });
        else claim.users += 1;
        break;
      }
      await claim.going;
    }
    if (this.#shared === undefined) return;
    const visit = this.#visit ?? this.#shared.visit();
    this.#visit = visit;
    try {
      await visit;
    } catch (reason) {
      if (this.#visit === visit) this.#visit = undefined;
      await this.release(digest, async () => {});
      throw reason;
    }
  }

  /** Says that a claimed blob was made or is about to be, so that it goes with the last who needs it. */
  make(digest: Digest): void {
    const claim = this.#claims.get(digest);
    if (claim !== undefined) claim.isMade = true;
  }

  /** Ends the need, and keeps the blob, whatever others do. */
  async keep(digest: Digest): Promise<void> {
    const claim = this.#claims.get(digest);
    if (claim === undefined) return;
    claim.isKept = true;
    await this.release(digest, async () => {});
  }

  /** Ends the need: what was made is removed when nobody else needs it. */
  async release(digest: Digest, remove: () => Promise<void>): Promise<void> {
    const claim = this.#claims.get(digest);
    if (claim === undefined) return;
    claim.users -= 1;
    if (claim.users > 0) return;
    if (claim.isKept || !claim.isMade) {
      this.#claims.delete(digest);
      await this.#leave();
      return;
    }
    const removing = this.#alone(remove);
    claim.going = removing.catch(() => {}).finally(() => this.#claims.delete(digest));
    try {
      await removing;
    } finally {
      await claim.going;
      await this.#leave();
    }
  }

  async #alone(remove: () => Promise<void>): Promise<void> {
    const visit = await this.#visit;
    await (visit === undefined ? remove() : visit.alone(remove));
  }

  async #leave(): Promise<void> {
    if (this.#claims.size > 0) return;
    const visit = this.#visit;
    this.#visit = undefined;
    await (await visit)?.leave();
  }
}

function isShared(store: Store): store is SharedStore {
  return "visit" in store;
}
