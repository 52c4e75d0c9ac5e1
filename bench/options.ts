import { parseArgs } from "node:util";

/** What the bench was asked for. */
export interface BenchOptions {
  /** Small sizes and few rounds: the ratios say little then. */
  readonly quick: boolean;
  /** Compares with the Go client, too. */
  readonly go: boolean;
  /** How often everything is measured; each row knows when absent. */
  readonly rounds: number | undefined;
  /** Where the figures are written to; into an ignored folder when absent. */
  readonly json: string | undefined;
  /** The `dist` folder of an earlier build, to which start-up is compared. */
  readonly before: string | undefined;
  /** The rows by name; all of them when there is none. */
  readonly rows: readonly string[];
}

export const USAGE = `npm run bench -- [--quick] [--go] [--rounds N] [--json PATH] [--before DIST] [ROW...]
  --quick        small sizes and few rounds, to see that everything works
  --go           compares with Debian's Go client, too, which is downloaded and built
  --rounds N     how often each row is measured
  --json PATH    where the figures go; default: .build/bench-results/
  --before DIST  the dist folder of an earlier build: start-up is compared with it`;

/** Reads the command line. Throws when it asks for something else. */
export function parseOptions(args: readonly string[], known: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      go: { type: "boolean", default: false },
      rounds: { type: "string" },
      json: { type: "string" },
      before: { type: "string" },
    },
  });
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isSafeInteger(rounds) && rounds > 0)) {
    throw new Error(`Cannot measure ${values.rounds} rounds: expected a whole number from 1`);
  }
  for (const row of positionals) {
    if (!known.includes(row)) throw new Error(`There is no row ${row}: expected ${known.join(", ")}`);
  }
  return { quick: values.quick, go: values.go, rounds, json: values.json, before: values.before, rows: positionals };
}
