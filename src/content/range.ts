import { InvalidArgumentError } from "../errors.js";
import type { Range } from "./store.js";

/** Checks a range before it leaves the process. */
export function checkRange({ offset = 0, length = 0 }: Range): void {
  for (const [name, value] of Object.entries({ offset, length })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new InvalidArgumentError(`Cannot read from ${name} ${value}: expected a whole number of bytes from 0`);
    }
  }
}
