import { DataLossError, NotImplementedError, ResourceExhaustedError } from "../errors.js";
import { BlockCutter, checksumOf, MOST_PAX_BYTES, padding } from "./blocks.js";
import { parsePax } from "./pax.js";

const MOST_LONG_NAME_BYTES = 64 * 1024;
const MOST_OCTAL = 0o77777777777;
const FILE_TYPES = "\0" + "0123456";
/** Records that make readers differ: some honour them, some do not. */
const DISPUTED_RECORDS = /^(GNU\.|SUN\.|hdrcharset$|realtime\.|security\.)/;

/**
 * Passes a tar on, and fails where two readers could see two different archives in it: sizes that disagree, headers that are not
 * exactly formed, bytes behind the end, a missing end. What comes out has been looked at.
 *
 * @throws {DataLossError} when it is not the same tar for everybody
 * @throws {NotImplementedError} when a name is not UTF-8
 * @throws {ResourceExhaustedError} when an extended header or a long name is too large
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
 */
export async function* strictly(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const scan = new Scan();
  for await (const chunk of tar) {
    scan.push(chunk);
    yield chunk;
  }
  scan.end();
}

type Gathering = "header" | "x" | "g" | "L" | "K";

/** What extended headers said about the member to come. */
interface Announced {
  readonly by: Set<Gathering>;
  linkName?: string;
  name?: string;
  size?: number;
}

class Scan {
  readonly #cutter = new BlockCutter((piece) => this.#got(piece));
  #gathering: Gathering = "header";
  #zeroBlocks = 0;
  #announced: Announced = { by: new Set() };
  #last = "";

  push(chunk: Uint8Array): void {
    this.#cutter.push(chunk);
  }

  end(): void {
    if (this.#zeroBlocks < 2 || !this.#cutter.isBetween) {
      throw this.#refusal(
        `it is cut off after ${this.#cutter.offset} bytes${this.#last && `, behind ${quoted(this.#last)}`}`,
      );
    }
  }

  #got(bytes: Uint8Array): void {
    const gathering = this.#gathering;
    this.#gathering = "header";
    if (gathering === "header") this.#header(bytes);
    else this.#extension(gathering, bytes);
  }

  #extension(kind: Exclude<Gathering, "header">, bytes: Uint8Array): void {
    this.#cutter.skip(padding(bytes.length));
    if (kind === "L" || kind === "K") {
      const end = bytes.indexOf(0);
      const name = this.#text(end < 0 ? bytes : bytes.subarray(0, end), "a long name");
      if (end >= 0 && bytes.subarray(end).some((byte) => byte !== 0))
        throw this.#refusal("a long name goes on after its end");
      if (name === "") throw this.#refusal("a long name is empty");
      this.#announced[kind === "L" ? "name" : "linkName"] = name;
      return;
    }
    const records = parsePax(bytes, { unique: true });
    const value = (key: string): string | undefined => {
      const text = records.get(key);
      return text === undefined ? undefined : this.#text(text, `the record ${quoted(key)}`);
    };
    for (const key of records.keys()) {
      if (DISPUTED_RECORDS.test(key))
        throw this.#refusal(`it has the record ${quoted(key)}, which readers take differently`);
      if (kind === "g" && key !== "comment")
        throw this.#refusal(`it has the record ${quoted(key)} for all members at once`);
    }
    const size = value("size");
    if (size !== undefined) this.#announced.size = this.#decimal(size);
    for (const key of ["path", "linkpath"]) {
      const text = value(key);
      if (text === "" || text?.includes("\0")) throw this.#refusal(`the record ${quoted(key)} is no name`);
      if (text !== undefined) this.#announced[key === "path" ? "name" : "linkName"] = text;
    }
  }

  #header(block: Uint8Array): void {
    if (block.every((byte) => byte === 0)) {
      if (this.#announced.by.size > 0) throw this.#refusal("it ends between an extended header and its member");
      this.#zeroBlocks += 1;
      return;
    }
    if (this.#zeroBlocks > 0) throw this.#refusal("there is something behind its end");
    this.#checkSum(block);
    const isUstar = this.#isUstar(block);
    const type = String.fromCharCode(block[156] ?? 0);
    const size = this.#number(block, 124, 12, "size");
    for (const [at, length, what] of [
      [100, 8, "mode"],
      [108, 8, "user"],
      [116, 8, "group"],
      [136, 12, "time"],
    ] as const) {
      this.#number(block, at, length, what);
    }
    if (type === "x" || type === "g" || type === "L" || type === "K") {
      this.#announce(type, size);
      return;
    }
    const own = this.#field(block, 0, 100, "name");
    const ownLink = this.#field(block, 157, 100, "link name");
    const prefix = isUstar ? this.#field(block, 345, 155, "prefix") : "";
    const name = this.#announced.name ?? (prefix === "" ? own : `${prefix}/${own}`);
    this.#last = name;
    if (name === "") throw this.#refusal("a member has no name");
    if (!FILE_TYPES.includes(type)) throw this.#refusal(`member ${quoted(name)} is of kind ${quoted(type)}`);
    if (type === "1" && (this.#announced.linkName ?? ownLink) === "")
      throw this.#refusal(`hard link ${quoted(name)} leads nowhere`);
    const content = this.#sizeOf(name, size);
    const isFile = type === "0" || type === "\0";
    if (!isFile && content > 0) throw this.#refusal(`member ${quoted(name)} is no file, but has ${content} bytes`);
    if (isFile && name.endsWith("/"))
      throw this.#refusal(`member ${quoted(name)} is a file with the name of a directory`);
    this.#announced = { by: new Set() };
    this.#cutter.skip(content + padding(content));
  }

  #announce(type: Exclude<Gathering, "header">, size: number): void {
    const { by } = this.#announced;
    const isMixed = type === "x" || type === "g" ? by.size > 0 : by.has("x") || by.has(type);
    if (isMixed) throw this.#refusal("several extended headers speak for one member");
    if (size === 0) throw this.#refusal("an extended header is empty");
    const most = type === "x" || type === "g" ? MOST_PAX_BYTES : MOST_LONG_NAME_BYTES;
    if (size > most) {
      throw new ResourceExhaustedError(
        `Cannot read the tar: an extended header of ${size} bytes, at most ${most} are taken`,
      );
    }
    if (type !== "g") by.add(type);
    this.#gathering = type;
    this.#cutter.gather(size);
  }

  /** The plain header may leave a size to the extended one only where it cannot hold it. */
  #sizeOf(name: string, plain: number): number {
    const { size } = this.#announced;
    if (size === undefined || size === plain) return plain;
    if (plain === 0 && size > MOST_OCTAL) return size;
    throw this.#refusal(`member ${quoted(name)} has ${plain} bytes by one header and ${size} by the other`);
  }

  #isUstar(block: Uint8Array): boolean {
    const magic = Buffer.from(block.subarray(257, 265)).toString("latin1");
    if (magic === "ustar\0" + "00") return true;
    if (magic === "ustar  \0") return false;
    throw this.#refusal("a header is in none of the formats that are known");
  }

  #checkSum(block: Uint8Array): void {
    if (checksumOf(block) !== this.#number(block, 148, 8, "checksum"))
      throw this.#refusal("a header is damaged, or it is no tar");
  }

  #number(block: Uint8Array, at: number, length: number, what: string): number {
    const field = block.subarray(at, at + length);
    // Only times can be before their beginning.
    const isNegative = field[0] === 0xff && what === "time";
    if (field[0] === 0x80 || isNegative) {
      const value = field.subarray(1).reduce((total, byte) => total * 256 + (isNegative ? 0xff - byte : byte), 0);
      if (Number.isSafeInteger(value)) return isNegative ? -1 - value : value;
    } else {
      const [, digits] = /^ *([0-7]+)[ \0]*$/.exec(Buffer.from(field).toString("latin1")) ?? [];
      if (digits !== undefined) return Number.parseInt(digits, 8);
    }
    throw this.#refusal(`the ${what} in a header is no number`);
  }

  #decimal(text: string): number {
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw this.#refusal(`an extended header gives the size ${quoted(text)}`);
    return value;
  }

  #field(block: Uint8Array, at: number, length: number, what: string): string {
    const field = block.subarray(at, at + length);
    const end = field.indexOf(0);
    if (end >= 0 && field.subarray(end).some((byte) => byte !== 0))
      throw this.#refusal(`the ${what} in a header goes on after its end`);
    return this.#text(end < 0 ? field : field.subarray(0, end), `the ${what} in a header`);
  }

  #text(bytes: Uint8Array, what: string): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      const where = `at byte ${this.#cutter.offset}${this.#last && `, behind ${quoted(this.#last)}`}`;
      throw new NotImplementedError(`Cannot read the tar: ${what}, ${shown(bytes)}, is not UTF-8, ${where}`, {
        cause,
        hint: "Give it another name where it comes from.",
      });
    }
  }

  #refusal(why: string): DataLossError {
    return new DataLossError(`Cannot read the tar: ${why}, at byte ${this.#cutter.offset}`);
  }
}

/** Bytes that are no text, in a way that is some. */
function shown(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 160)).toString("latin1");
  return `"${text.replace(/[^ -!#-[\]-~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 160));
}
