import { inspect } from "node:util";
import { ContainerdError } from "../../src/index.js";

/** What came of one case of a fault: what should not be so, a line each; nothing when all is well. */
export interface FaultCase {
  readonly name: string;
  readonly troubles: readonly string[];
}

/** The cases of one row of the table, as they end. */
export type FaultCases = AsyncGenerator<FaultCase, void, undefined>;

/** Which of a row's cases: every `of`th, beginning with the one `at`. Several daemons may have a share of a row each. */
export interface Share {
  readonly at: number;
  readonly of: number;
}

/** What is kept of a row: how many cases, and those with troubles. */
export interface FaultRow {
  readonly fault: string;
  readonly cases: number;
  readonly failed: readonly FaultCase[];
}

/** Runs a row to its end, telling of each case. */
export async function tally(fault: string, cases: FaultCases, tell: (one: FaultCase) => void): Promise<FaultRow> {
  let count = 0;
  const failed: FaultCase[] = [];
  for await (const one of cases) {
    count++;
    tell(one);
    if (one.troubles.length > 0) failed.push(one);
  }
  return { fault, cases: count, failed };
}

/** A failure in one line. */
export function told(reason: unknown): string {
  return reason instanceof Error ? `${reason.name}: ${reason.message}` : inspect(reason);
}

/** What is wrong with how a call failed: it must be one of the library's errors, or not have failed. */
export function untyped(failure: unknown): string[] {
  return failure === undefined || failure instanceof ContainerdError ? [] : [`untyped: ${inspect(failure)}`];
}
