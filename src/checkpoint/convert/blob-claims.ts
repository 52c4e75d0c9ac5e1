import type { Store } from "../../content/store.js";
import type { Digest } from "../../oci/digest.js";

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

/** Who in this process needs which blobs of a store: equal parts of two archives are one blob, and stay if one of the two does. */
export class BlobClaims {
  readonly #claims = new Map<Digest, Claim>();

  /** Those of a store. */
  static of(store: Store): BlobClaims {
    const known = ofStores.get(store) ?? new BlobClaims();
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
        return;
      }
      await claim.going;
    }
  }

  /** Says that a claimed blob is about to be made, so that it goes with the last who needs it. */
  make(digest: Digest): void {
    const claim = this.#claims.get(digest);
    if (claim !== undefined) claim.isMade = true;
  }

  /** Ends the need, and keeps the blob, whatever others do. */
  keep(digest: Digest): void {
    const claim = this.#claims.get(digest);
    if (claim === undefined) return;
    claim.isKept = true;
    claim.users -= 1;
    if (claim.users === 0) this.#claims.delete(digest);
  }

  /** Ends the need: what was made is removed when nobody else needs it. */
  async release(digest: Digest, remove: () => Promise<void>): Promise<void> {
    const claim = this.#claims.get(digest);
    if (claim === undefined) return;
    claim.users -= 1;
    if (claim.users > 0) return;
    if (claim.isKept || !claim.isMade) {
      this.#claims.delete(digest);
      return;
    }
    const removing = remove();
    claim.going = removing.catch(() => {}).finally(() => this.#claims.delete(digest));
    await removing;
  }
}
