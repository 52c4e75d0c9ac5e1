import { readFile } from "node:fs/promises";
import { create, type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Plugin } from "esbuild";
import type { Kind, Kinds, Plain } from "./plain-file.js";

const RUNTIME = "plain-file-desc";

/** Writes generated descriptors out as objects: `plain-file.ts` says why. */
export function plainDescriptors(runtime: string): Plugin {
  const kinds = new Map<string, Kind>();
  addKind(FileDescriptorProtoSchema, kinds);
  return {
    name: "plain-descriptors",
    setup(build) {
      build.onLoad({ filter: /_pb\.[tj]s$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        const contents = text.replace(/\bfileDesc\("([^"]+)"/, (_, base64: string) => {
          const file = fromBinary(FileDescriptorProtoSchema, base64Decode(base64));
          return `plainFileDesc(${JSON.stringify(plainOf(FileDescriptorProtoSchema, file, kinds))}`;
        });
        const prelude = contents === text ? "" : `import { plainFileDesc } from ${JSON.stringify(RUNTIME)};`;
        return { contents: prelude + contents, loader: path.endsWith(".ts") ? "ts" : "js" };
      });
      build.onResolve({ filter: new RegExp(`^${RUNTIME}$`) }, ({ path }) => ({ path, namespace: RUNTIME }));
      build.onLoad({ filter: /^/, namespace: RUNTIME }, () => ({
        resolveDir: build.initialOptions.absWorkingDir ?? ".",
        contents: `
          import { plainFileDesc as make } from ${JSON.stringify(runtime)};
          const kinds = ${JSON.stringify(Object.fromEntries(kinds) satisfies Kinds)};
          export const plainFileDesc = (plain, imports) => make(kinds, plain, imports);`,
      }));
    },
  };
}

/** Adds a type and those its messages may hold; none that JSON could not say. */
function addKind(schema: DescMessage, kinds: Map<string, Kind>): void {
  const { typeName, fields } = schema;
  if (kinds.has(typeName)) return;
  const defaults = { ...(Object.getPrototypeOf(create(schema)) as Plain) };
  if (Object.values(defaults).some((value) => typeof value === "bigint" || typeof value === "object")) return;
  const inner = fields.flatMap(({ localName, message }) => (message === undefined ? [] : [{ localName, message }]));
  kinds.set(typeName, {
    defaults,
    lists: fields.filter(({ fieldKind }) => fieldKind === "list").map(({ localName }) => localName),
    messages: Object.fromEntries(inner.map(({ localName, message }) => [localName, message.typeName])),
  });
  for (const { message } of inner) addKind(message, kinds);
}

/** What is set in a message, and nothing else. */
function plainOf(schema: DescMessage, message: Message, kinds: ReadonlyMap<string, Kind>): Plain {
  if (!kinds.has(schema.typeName) || message.$unknown !== undefined)
    throw new Error(`Cannot write out a ${schema.typeName}`);
  const values = message as unknown as Plain;
  const set = schema.fields.flatMap(({ localName, message: type }) => {
    const value = values[localName];
    if (!Object.hasOwn(values, localName) || value === undefined) return [];
    if (Array.isArray(value) && value.length === 0) return [];
    if (type === undefined) return [[localName, value]];
    const plain = (one: Message) => plainOf(type, one, kinds);
    return [[localName, Array.isArray(value) ? value.map(plain) : plain(value as Message)]];
  });
  return Object.fromEntries(set) as Plain;
}
