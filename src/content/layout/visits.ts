import type { Visit } from "../blob-claims.js";
import type { Claim } from "./claims.js";
import type { LayoutDirectory } from "./layout-directory.js";

const VISIT = "visit";
/** Held where visits begin and where something is removed: who comes finds it still there and says so, or does not find it. */
const DOOR = "door";

const always = (): void => {};

/** Who makes blobs in a layout that go again when the work fails, and must stay when another process may have found them. */
export class Visits {
  readonly #directory: LayoutDirectory;
  readonly #own = new Set<Claim>();

  constructor(directory: LayoutDirectory) {
    this.#directory = directory;
  }

  async begin(): Promise<Visit> {
    await this.#directory.prepare();
    const { claims } = this.#directory;
    const claim = await claims.during(DOOR, always, () => claims.join(VISIT));
    this.#own.add(claim);
    return {
      alone: (act) =>
        claims.during(DOOR, always, async () => {
          if (!(await claim.hasMet())) await act();
        }),
      leave: async () => {
        this.#own.delete(claim);
        await claim[Symbol.asyncDispose]();
      },
    };
  }

  /** Says to the visitors in other stores that something they may have made is needed; what is there afterwards stays. */
  async meet(): Promise<boolean> {
    const { claims } = this.#directory;
    if (!(await this.#directory.hasPrivate()) || !(await claims.hasOthers(VISIT, this.#own))) return false;
    return claims.during(DOOR, always, () => claims.meet(VISIT, this.#own));
  }
}
