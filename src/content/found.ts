import { isNotFound } from "../errors.js";

/** What a look-up found; `undefined` when there is nothing. Other failures stay failures. */
export async function orUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (reason) {
    if (isNotFound(reason)) return undefined;
    throw reason;
  }
}

/** Whether a look-up found something. */
export async function exists(found: Promise<NonNullable<unknown>>): Promise<boolean> {
  return (await orUndefined(found)) !== undefined;
}
