import { InvalidArgumentError } from "../errors.js";

// Far more than any document needs, and far less than would exhaust the stack of who walks the result.
const maxDepth = 512;

/**
 * Looks at the brackets of a JSON text that was not parsed yet.
 *
 * @throws {InvalidArgumentError} when they are nested too deep.
 */
export function checkDepth(text: string, what: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === "[" || character === "{") {
      depth += 1;
      if (depth > maxDepth) throw new InvalidArgumentError(`Cannot parse ${what}: nested deeper than ${maxDepth}`);
    } else if (character === "]" || character === "}") depth -= 1;
  }
}

/**
 * Looks for keys that one object of a well-formed JSON text has twice. One reader takes the first, another the last, Go the two of
 * them together: such a document is not the same for everybody.
 *
 * @throws {InvalidArgumentError} when there is one.
 */
export function checkKeys(text: string, what: string): void {
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      if (isKey) addKey(open.at(-1), text.slice(at, end + 1), what);
      isKey = false;
      at = end;
    } else if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : undefined);
      isKey = character === "{";
    } else if (character === "}" || character === "]") {
      open.pop();
      isKey = false;
    } else if (character === ",") isKey = open.at(-1) !== undefined;
  }
}

function addKey(keys: Set<string> | undefined, quoted: string, what: string): void {
  const key = quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
  if (keys?.has(key)) {
    throw new InvalidArgumentError(
      `Cannot parse ${what}: it has ${JSON.stringify(key.slice(0, 160))} twice in one place`,
    );
  }
  keys?.add(key);
}

/** Where the string that begins at `at` has its closing quote; the end of the text when it has none. */
function endOfString(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end += 1) {
    if (text[end] === "\\") end += 1;
    else if (text[end] === '"') return end;
  }
  return text.length;
}
