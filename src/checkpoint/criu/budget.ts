import { ResourceExhaustedError } from "../../errors.js";
import type { WholeLimits } from "../archive/limits.js";

/** What may still be kept of one dump's images. */
export class DumpBudget {
  /** What else is bounded. */
  readonly limits: WholeLimits;
  #records = 0;
  #textBytes = 0;

  /** Begins with nothing kept. */
  constructor(limits: WholeLimits) {
    this.limits = limits;
  }

  /** @throws {ResourceExhaustedError} when there were more than are taken */
  takeRecords(count = 1): void {
    this.#records += count;
    const { maxRecords } = this.limits;
    if (this.#records <= maxRecords) return;
    throw new ResourceExhaustedError(`Cannot read the dump: more than ${maxRecords} records`);
  }

  /** @throws {ResourceExhaustedError} when there was more than is taken */
  takeText(bytes: number): void {
    this.#textBytes += bytes;
    const { maxTextBytes } = this.limits;
    if (this.#textBytes <= maxTextBytes) return;
    throw new ResourceExhaustedError(`Cannot read the dump: more than ${maxTextBytes} bytes of text`);
  }
}
