import { InvalidArgumentError } from "../errors.js";

const MOST_CHARACTERS = 76;
const grammar = /^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$/;

/**
 * Checks the name of a container, a task, a namespace or a part of a topic.
 *
 * @throws {InvalidArgumentError} when it is empty, longer than 76 characters or has others than letters, digits and single `.`, `_`, `-`
 * @see https://github.com/containerd/containerd/blob/v2.1.4/pkg/identifiers/validate.go
 */
export function checkIdentifier(text: string, what?: string): void {
  const fault = faultOf(text);
  if (fault !== undefined) throw new InvalidArgumentError(what === undefined ? fault : `${what}: ${fault}`);
}

function faultOf(text: string): string | undefined {
  if (text === "") return "identifier must not be empty: invalid argument";
  const quoted = JSON.stringify(text);
  if (text.length > MOST_CHARACTERS) {
    return `identifier ${quoted} greater than maximum length (${MOST_CHARACTERS} characters): invalid argument`;
  }
  if (!grammar.test(text)) return `identifier ${quoted} must match ${grammar.source}: invalid argument`;
  return undefined;
}
