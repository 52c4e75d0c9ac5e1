import { InvalidArgumentError } from "../errors.js";

/** Where a daemon listens. */
export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly authority: string; readonly secure: boolean };

const FORMS = "expected a path, unix:///path, tcp://host:port, http://host:port or https://host:port";

/**
 * Reads an address in one of the forms people type.
 *
 * @throws {InvalidArgumentError} when it is in none of them
 */
export function parseAddress(text: string): Address {
  const unix = /^unix:(?:\/\/)?(.*)$/s.exec(text)?.[1] ?? (/^[/.]/.test(text) ? text : undefined);
  if (unix !== undefined) {
    if (!unix.startsWith("/") && !unix.startsWith(".")) throw malformed(text);
    return { kind: "unix", path: unix };
  }
  const [, scheme, authority = ""] = /^(tcp|http|https):\/\/([^/?#@]+)\/?$/.exec(text) ?? [];
  if (scheme === undefined || !/:\d{1,5}$/.test(authority)) throw malformed(text);
  return { kind: "tcp", authority, secure: scheme === "https" };
}

function malformed(text: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot connect to ${JSON.stringify(text)}: ${FORMS}`);
}
