import { InvalidArgumentError, isContainerdError, ResourceExhaustedError } from "../../errors.js";
import { expectObject, type JsonObject, optionalString, parseJsonValue } from "../../oci/json.js";
import type { WholeLimits } from "./limits.js";
import { refusal } from "./member-paths.js";
import type { BindMount } from "./part.js";

const [COMMA, BRACKET, BRACE] = [0x2c, 0x5b, 0x7b];

/** The JSON documents of an archive, whose errors say which member it is. */
export class Documents {
  readonly #limits: WholeLimits;
  #values = 0;

  /** Reads within these limits. */
  constructor(limits: WholeLimits) {
    this.#limits = limits;
  }

  /** @throws {InvalidArgumentError} when it is no object */
  object(name: string, bytes: Uint8Array): JsonObject {
    return this.#parse(name, () => expectObject(this.#value(name, bytes), name));
  }

  /** @throws {InvalidArgumentError} when it is neither an object nor null, as an engine writes what it has not */
  optionalObject(name: string, bytes: Uint8Array): JsonObject | undefined {
    return this.#parse(name, () => {
      const value = this.#value(name, bytes);
      return value === null ? undefined : expectObject(value, name);
    });
  }

  /** @throws {InvalidArgumentError} when a path does not lead straight down from the root */
  paths(name: string, bytes: Uint8Array): readonly string[] {
    const list = this.#list(name, bytes);
    for (const path of list) {
      if (typeof path !== "string") throw refusal(name, "expected a list of paths");
      const segments = path.split("/");
      const isStraight = segments[0] === "" && !segments.includes("..") && !path.includes("\0");
      if (!isStraight || segments.every((segment) => segment === "" || segment === ".")) {
        throw refusal(name, `${JSON.stringify(path.slice(0, 160))} is no path below the root`);
      }
      if (Buffer.byteLength(path) > this.#limits.maxNameBytes) {
        throw new ResourceExhaustedError(
          `Cannot read member ${JSON.stringify(name)} of the archive: a path is too long`,
        );
      }
    }
    return list as readonly string[];
  }

  /** @throws {InvalidArgumentError} when it is no list of mounts */
  bindMounts(name: string, bytes: Uint8Array): readonly BindMount[] {
    return this.#list(name, bytes).map((item) =>
      this.#parse(name, () => {
        const mount = expectObject(item, name);
        const text = (field: string): string => {
          const value = optionalString(mount, field, name);
          if (value === undefined) throw refusal(name, `a mount has no ${field}`);
          return value;
        };
        const type = text("file_type");
        const mode = Object.hasOwn(mount, "permissions") ? mount["permissions"] : 0;
        if (type !== "file" && type !== "directory")
          throw refusal(name, "a mount is neither of a file nor a directory");
        if (typeof mode !== "number" || !Number.isSafeInteger(mode) || mode < 0) {
          throw refusal(name, "the permissions of a mount are no number");
        }
        return { source: text("source"), destination: text("destination"), type, mode };
      }),
    );
  }

  #list(name: string, bytes: Uint8Array): readonly unknown[] {
    const value = this.#parse(name, () => this.#value(name, bytes));
    // Go writes a list that is empty as null.
    if (value === null) return [];
    if (!Array.isArray(value)) throw refusal(name, "expected a list");
    const { maxEntries } = this.#limits;
    if (value.length > maxEntries) {
      throw new ResourceExhaustedError(
        `Cannot read member ${JSON.stringify(name)} of the archive: a list of ${value.length}, at most ${maxEntries} are taken`,
      );
    }
    return value;
  }

  #value(name: string, bytes: Uint8Array): unknown {
    this.#values += mostValuesIn(bytes);
    const { maxValues } = this.#limits;
    if (this.#values > maxValues) {
      throw new ResourceExhaustedError(
        `Cannot read member ${JSON.stringify(name)} of the archive: more than ${maxValues} values in its documents`,
      );
    }
    return parseJsonValue(bytes, name, this.#limits.maxDocumentBytes);
  }

  #parse<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (reason) {
      if (!(reason instanceof InvalidArgumentError) || reason.message.startsWith("Cannot read member")) throw reason;
      throw refusal(name, isContainerdError(reason) ? reason.message : String(reason), reason);
    }
  }
}

/** As many values as a document of these bytes can have at most; before it is parsed, for each takes far more memory than its bytes. */
function mostValuesIn(bytes: Uint8Array): number {
  let values = 1;
  for (const byte of bytes) if (byte === COMMA || byte === BRACKET || byte === BRACE) values += 1;
  return values;
}
