import { FailedPreconditionError, InvalidArgumentError } from "../errors.js";
import type { ExecutionConfig, ImageConfig } from "./image-config.js";
import type { SpecOption } from "./runtime-spec.js";
import { type EnvChanges, mergeEnv, withArgs } from "./spec-process.js";
import { processOf } from "./spec-sections.js";
import { parseUser, type ResolvedUser, withUser } from "./spec-user.js";

/** What the caller says about running an image. */
export interface ImageConfigOptions {
  /** Comes after the entrypoint in place of the image's own command. */
  readonly args?: readonly string[] | undefined;
  /** Who the image's user is, as `resolveUser` found; needed when the image gives a name. */
  readonly user?: ResolvedUser | undefined;
}

/**
 * Takes command line, environment, directory and user from an image. The signal that stops it is not part of a spec.
 *
 * A user given in numbers needs nothing more; one given by name is looked up by the caller, in the image's own files.
 *
 * @throws {InvalidArgumentError} when there is no command, or the image's user is malformed.
 * @throws {FailedPreconditionError} when the image names a user and `options.user` does not say who that is.
 * @example
 * ```ts
 * const user = resolveUser(parseUser(config.config?.User ?? ""), passwd, group);
 * withImageConfig(config, { user })(spec);
 * ```
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/conversion.md
 */
export function withImageConfig(config: ImageConfig, options: ImageConfigOptions = {}): SpecOption {
  const wanted = config.config ?? {};
  const args = [...(wanted.Entrypoint ?? []), ...(options.args ?? wanted.Cmd ?? [])];
  if (args.length === 0) {
    throw new InvalidArgumentError("Cannot take the command from the image: it has none, and no args were given");
  }
  const user = userOf(wanted, options.user);
  return (spec) => {
    const process = processOf(spec);
    process.env = mergeEnv(process.env ?? [], changesOf(wanted.Env ?? []));
    process.cwd = wanted.WorkingDir === undefined || wanted.WorkingDir === "" ? "/" : wanted.WorkingDir;
    withArgs(...args)(spec);
    withUser(user.uid, user.gid, user.additionalGids)(spec);
  };
}

function userOf(wanted: ExecutionConfig, resolved: ResolvedUser | undefined): ResolvedUser {
  const text = wanted.User ?? "";
  const { uid, gid, username, group } = parseUser(text);
  if (resolved !== undefined) return resolved;
  if (username === undefined && group === undefined) return { uid: uid ?? 0, gid: gid ?? 0, additionalGids: [] };
  // Going on as root would give the process more rights than its image asks for.
  throw new FailedPreconditionError(`Cannot run as ${JSON.stringify(text)}: who that is stands in the image's files`, {
    hint: "Read /etc/passwd and /etc/group of the image, and pass what resolveUser() makes of them.",
  });
}

function changesOf(env: readonly string[]): EnvChanges {
  const pairs = env.map((entry) => {
    const end = entry.indexOf("=");
    return end === -1 ? [entry, ""] : [entry.slice(0, end), entry.slice(end + 1)];
  });
  return Object.fromEntries(pairs) as EnvChanges;
}
