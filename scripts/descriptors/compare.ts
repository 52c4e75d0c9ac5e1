/** Compares two sets of wire facts. */
import type { Facts, WireFacts } from "./wire-facts.js";

/** What a comparison of our description with a daemon's found. */
export interface Comparison {
  /** Full names of the symbols both sides have. */
  readonly compared: readonly string[];
  /** What makes ours wrong: a fact that differs, or a member the daemon has and ours lacks. */
  readonly defects: readonly string[];
  /** Names of symbols and members only ours has, such as `pkg.Message` or `pkg.Message.field`. */
  readonly onlyOurs: readonly string[];
  /** Full names of symbols and methods only the daemon has, which ours may leave out. */
  readonly omitted: readonly string[];
}

/**
 * Compares our description with a daemon's, symbol by symbol and member by member.
 *
 * Ours may leave out whole symbols and methods, but never a field or an enum value of a symbol it has.
 */
export function compareFacts(ours: WireFacts, theirs: WireFacts): Comparison {
  const compared: string[] = [];
  const defects: string[] = [];
  const onlyOurs: string[] = [];
  const omitted = [...theirs.keys()].filter((name) => !ours.has(name));

  for (const [name, our] of ours) {
    const their = theirs.get(name);
    if (their === undefined) {
      onlyOurs.push(name);
      continue;
    }
    compared.push(name);
    if (our.kind !== their.kind) {
      defects.push(`${name}: ours is a ${our.kind}, the daemon's a ${their.kind}`);
      continue;
    }
    for (const [key, fact] of our.members) {
      const label = memberName(name, key, fact);
      const theirFact = their.members.get(key);
      if (theirFact === undefined) onlyOurs.push(label);
      else defects.push(...differences(label, fact, theirFact));
    }
    for (const [key, fact] of their.members) {
      if (our.members.has(key)) continue;
      const label = memberName(name, key, fact);
      if (our.kind === "service") omitted.push(label);
      else defects.push(`${label}: the daemon has it as number ${key}, ours lacks it`);
    }
  }
  return { compared, defects, onlyOurs, omitted };
}

function memberName(symbol: string, key: number | string, facts: Facts): string {
  return `${symbol}.${facts["name"] ?? key}`;
}

function differences(label: string, ours: Facts, theirs: Facts): string[] {
  return Object.keys(ours)
    .filter((aspect) => ours[aspect] !== theirs[aspect])
    .map((aspect) => `${label}: ${aspect} is ${ours[aspect]} in ours, ${theirs[aspect]} in the daemon's`);
}
