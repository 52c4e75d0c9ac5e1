import { InvalidArgumentError, NotFoundError } from "../errors.js";
import type { SpecOption } from "./runtime-spec.js";
import { processOf } from "./spec-sections.js";

/** Who an image wants to be, as far as its text says: numbers or names. */
export interface User {
  /** The user's number. */
  readonly uid?: number;
  /** The user's name, when it is not a number. */
  readonly username?: string;
  /** The group's number. */
  readonly gid?: number;
  /** The group's name, when it is not a number. */
  readonly group?: string;
}

/** Who that is in numbers. */
export interface ResolvedUser {
  /** The user. */
  readonly uid: number;
  /** The user's own group. */
  readonly gid: number;
  /** All groups the user is in, the own one first. */
  readonly additionalGids: readonly number[];
}

// Runtimes hold ids in 32 signed bits: a larger one would wrap around and end as root.
// See https://github.com/containerd/containerd/security/advisories/GHSA-265r-hfxg-fhmg
const maxId = 2 ** 31 - 1;

/**
 * Reads `user` or `user:group`, each a name or a number; an empty text is root.
 *
 * @throws {InvalidArgumentError} when it is neither, or a number is larger than 2147483647.
 * @example
 * ```ts
 * parseUser("app:100"); // { username: "app", gid: 100 }
 * ```
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties
 */
export function parseUser(text: string): User {
  if (text === "") return { uid: 0 };
  const [user, group, ...rest] = text.split(":");
  if (rest.length > 0 || user === undefined || user === "" || group === "") {
    throw new InvalidArgumentError(`Cannot parse user ${JSON.stringify(text)}: expected "user" or "user:group"`);
  }
  const uid = parseId(user, text);
  const own: User = uid === undefined ? { username: user } : { uid };
  if (group === undefined) return own;
  const gid = parseId(group, text);
  return gid === undefined ? { ...own, group } : { ...own, gid };
}

/**
 * Finds the numbers of a user in the container's own `/etc/passwd` and `/etc/group`; an empty text is a missing file.
 *
 * A number need not be listed there; a name must be.
 *
 * @throws {NotFoundError} when a name is not listed.
 * @throws {InvalidArgumentError} when the entry of that user has no usable numbers.
 */
export function resolveUser(user: User, passwdText: string, groupText: string): ResolvedUser {
  const entry = entriesOf(passwdText).find(([name, , uid]) =>
    user.username === undefined ? uid === String(user.uid ?? 0) : name === user.username,
  );
  if (user.username !== undefined && entry === undefined) throw notListed("user", user.username, "/etc/passwd");
  const [name, , uidText = "", gidText = ""] = entry ?? [];
  const uid = user.uid ?? (user.username === undefined ? 0 : requireId(uidText, `user ${name}`));
  const groups = entriesOf(groupText);
  const gid = gidOf(user, groups) ?? (entry === undefined ? 0 : requireId(gidText, `group of user ${name}`));
  const memberOf = groups.filter(([, , , members = ""]) => name !== undefined && members.split(",").includes(name));
  const gids = memberOf.map(([group, , id = ""]) => requireId(id, `group ${group}`));
  return { uid, gid, additionalGids: [...new Set([gid, ...gids])] };
}

/**
 * Sets who runs the process, in numbers; the own group is always among the additional ones.
 *
 * @throws {InvalidArgumentError} when a number is not one from 0 to 2147483647.
 */
export function withUser(uid: number, gid: number, additionalGids: readonly number[] = []): SpecOption {
  for (const id of [uid, gid, ...additionalGids]) {
    if (!Number.isInteger(id) || id < 0 || id > maxId) {
      throw new InvalidArgumentError(`Cannot set user: expected a number from 0 to ${maxId}, got ${id}`);
    }
  }
  return (spec) => {
    const process = processOf(spec);
    const { username: _username, ...others } = process.user;
    // Without the own group in the list a process could drop it and slip past rules that shut that group out.
    // See https://github.com/containerd/containerd/security/advisories/GHSA-hmfx-3pcx-653p
    process.user = { ...others, uid, gid, additionalGids: [...new Set([gid, ...additionalGids])] };
  };
}

function gidOf(user: User, groups: readonly (readonly string[])[]): number | undefined {
  if (user.group === undefined) return user.gid;
  const [, , gid] = groups.find(([name]) => name === user.group) ?? [];
  if (gid === undefined) throw notListed("group", user.group, "/etc/group");
  return requireId(gid, `group ${user.group}`);
}

function entriesOf(text: string): readonly (readonly string[])[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

function parseId(text: string, whole: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id <= maxId) return id;
  throw new InvalidArgumentError(`Cannot parse user ${JSON.stringify(whole)}: expected numbers up to ${maxId}`);
}

function requireId(text: string, what: string): number {
  const id = parseId(text, what);
  if (id !== undefined) return id;
  throw new InvalidArgumentError(`Cannot find the number of ${what}: expected digits, got ${JSON.stringify(text)}`);
}

function notListed(kind: string, name: string, file: string): NotFoundError {
  return new NotFoundError(`Cannot find ${kind} ${JSON.stringify(name)} in the container's ${file}`);
}
