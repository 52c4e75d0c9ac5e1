import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { repositoryRoot } from "../../lab/repository.js";

/** What package.json says of itself. */
interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly scripts: Readonly<Record<string, string>>;
}

/** Reads package.json. */
export function readManifest(): Manifest {
  return JSON.parse(readFileSync(join(repositoryRoot(), "package.json"), "utf8")) as Manifest;
}

/** How a program imports an entry such as `./oci`. */
export function specifierOf(entry: string): string {
  return join("containerd-client", entry).replace(/\/\.$/, "");
}

/** The file that declares an entry's types. */
export function declarationsOf(entry: string): string {
  const { exports } = readManifest();
  const paths = exports[entry];
  if (paths === undefined || typeof paths === "string") throw new Error(`package.json has no types for ${entry}`);
  return join(repositoryRoot(), paths.types);
}

/** The names in an entry's export lists. An entry holds nothing else. */
export function exportedNames(entry: string): { readonly values: string[]; readonly types: string[] } {
  const values: string[] = [];
  const types: string[] = [];
  const rest = withoutComments(declarationsOf(entry))
    .replaceAll(/export \* as (\w+) from "[^"]+";/g, (_, name: string) => {
      values.push(name);
      return "";
    })
    .replaceAll(/export (type )?\{([^}]*)\} from "[^"]+";/g, (_, allTypes: string | undefined, list: string) => {
      for (const item of list.split(",").map((one) => one.trim())) {
        if (item === "") continue;
        const [, type, name] = /^(type )?(\w+)$/.exec(item) ?? [];
        if (name === undefined) throw new Error(`Cannot read ${JSON.stringify(item)} in the types of ${entry}`);
        const kind = (allTypes ?? type) === undefined ? values : types;
        kind.push(name);
      }
      return "";
    });
  if (rest.trim() !== "") throw new Error(`Entry ${entry} is more than lists of names: ${rest.trim()}`);
  return { values: values.sort(), types: types.sort() };
}

/** What the declarations reachable from an entry import, by file; nothing of this package itself. */
export function foreignImports(entry: string): ReadonlyMap<string, readonly string[]> {
  const seen = new Map<string, readonly string[]>();
  const waiting = [declarationsOf(entry)];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (seen.has(file)) continue;
    const source = withoutComments(file);
    const targets = [...source.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\()"([^"]+)"/g)].map(
      ([, to = ""]) => to,
    );
    seen.set(
      file,
      targets.filter((target) => !target.startsWith(".")),
    );
    for (const target of targets) {
      if (target.startsWith(".")) waiting.push(join(dirname(file), target.replace(/\.js$/, ".d.ts")));
    }
  }
  return seen;
}

function withoutComments(file: string): string {
  return readFileSync(file, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}
