/** Middle and spread of some measurements. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Middle and spread; there must be at least one number. */
export function spreadOf(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const half = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2;
  return { median, least: at(0), most: at(sorted.length - 1) };
}

/** The smallest number that so much of all of them does not exceed; there must be at least one number. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** The ratio of the medians, and the spread of the ratios of those pairs that were measured one after the other. */
export function ratioOf(ours: readonly number[], peers: readonly number[]): Spread {
  const pairs = ours.slice(0, peers.length).map((value, index) => value / (peers[index] ?? Number.NaN));
  const { least, most } = spreadOf(pairs);
  return { median: spreadOf(ours).median / spreadOf(peers).median, least, most };
}
