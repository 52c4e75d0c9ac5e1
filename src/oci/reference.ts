import { InvalidArgumentError } from "../errors.js";
import { algorithmOf, type Digest, parseDigest } from "./digest.js";

/** The name of an image, in parts. */
export interface Reference {
  /** The registry: a host, with its port when it has one. */
  readonly domain: string;
  /** The image's name there. */
  readonly repository: string;
  /** Which one of that name. */
  readonly tag?: string;
  /** Which content exactly. */
  readonly digest?: Digest;
}

const label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domainGrammar = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const componentGrammar = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagGrammar = /^\w[\w.-]{0,127}$/;
const maxRepositoryLength = 255;

/**
 * Reads a full name: the registry must be there, and nothing is made up.
 *
 * @throws {InvalidArgumentError} when it is not one.
 * @example
 * ```ts
 * parseReference("docker.io/library/redis:7"); // { domain: "docker.io", repository: "library/redis", tag: "7" }
 * ```
 * @see https://github.com/distribution/reference/blob/v0.6.0/reference.go
 */
export function parseReference(text: string): Reference {
  const [head, digest] = splitOnce(text, text.indexOf("@"));
  const colon = head.lastIndexOf(":");
  const [name, tag] = splitOnce(head, colon > head.lastIndexOf("/") ? colon : -1);
  const [domain, repository] = splitOnce(name, name.indexOf("/"));
  if (repository === undefined) throw malformed(text, "expected a registry, a slash and a name");
  if (!domainGrammar.test(domain)) throw malformed(text, `${JSON.stringify(domain)} is not a registry`);
  if (!repository.split("/").every((component) => componentGrammar.test(component))) {
    throw malformed(
      text,
      `${JSON.stringify(repository)} is not a name of lower-case letters, digits and single separators`,
    );
  }
  if (repository.length > maxRepositoryLength) {
    throw malformed(text, `expected at most ${maxRepositoryLength} characters between registry and tag`);
  }
  if (tag !== undefined && !tagGrammar.test(tag)) throw malformed(text, `${JSON.stringify(tag)} is not a tag`);
  return {
    domain,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseKnownDigest(digest) }),
  };
}

/** Writes a name so that {@link parseReference} gives the same back. */
export function formatReference(reference: Reference): string {
  const { domain, repository, tag, digest } = reference;
  return `${domain}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

/**
 * Completes a name as people type it: the registry is docker.io, a single word there is in `library`, and the tag is
 * `latest` when neither tag nor digest is given.
 *
 * @throws {InvalidArgumentError} when it is not a name.
 * @example
 * ```ts
 * normalizeReference("redis"); // "docker.io/library/redis:latest"
 * ```
 * @see https://github.com/distribution/reference/blob/v0.6.0/normalize.go
 */
export function normalizeReference(text: string): string {
  if (/^[a-f0-9]{64}$/.test(text)) throw malformed(text, "64 hex digits are a digest without its algorithm");
  const reference = parseReference(withDomain(text));
  const tagged = reference.tag !== undefined || reference.digest !== undefined;
  return formatReference(tagged ? reference : { ...reference, tag: "latest" });
}

function withDomain(text: string): string {
  const slash = text.indexOf("/");
  const first = slash === -1 ? "" : text.slice(0, slash);
  // Only a host has a dot, a port or capitals; without them the first word belongs to the name.
  const named = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  const domain = !named || first === "index.docker.io" ? "docker.io" : first;
  const rest = named ? text.slice(slash + 1) : text;
  const official = domain === "docker.io" && !rest.split(/[@:]/, 1)[0]?.includes("/");
  return `${domain}/${official ? "library/" : ""}${rest}`;
}

/** A name that pins content nobody can check pins nothing. */
function parseKnownDigest(text: string): Digest {
  const digest = parseDigest(text);
  algorithmOf(digest);
  return digest;
}

function splitOnce(text: string, at: number): readonly [string, string | undefined] {
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function malformed(text: string, fault: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot parse reference ${JSON.stringify(text.slice(0, 320))}: ${fault}`);
}
