import { ResourceExhaustedError } from "../../errors.js";
import type { WholeLimits } from "./limits.js";

/** How many bytes of names may still come: whoever looks at an archive keeps them. */
export class NameBudget {
  readonly #limits: WholeLimits;
  #bytes = 0;

  /** Begins without names. */
  constructor(limits: WholeLimits) {
    this.#limits = limits;
  }

  /** @throws {ResourceExhaustedError} when all names together are too long */
  take({ name, linkName = "" }: { readonly name: string; readonly linkName?: string }): void {
    this.#bytes += Buffer.byteLength(name) + Buffer.byteLength(linkName);
    const { maxNamesBytes } = this.#limits;
    if (this.#bytes <= maxNamesBytes) return;
    throw new ResourceExhaustedError(
      `Cannot read member ${JSON.stringify(name.slice(0, 160))} of the archive: names of more than ${maxNamesBytes} bytes together`,
    );
  }
}
