import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, it } from "node:test";
import { repositoryRoot } from "../../lab/repository.js";

/** The table of ARCHITECTURE.md: a room, what it may import, and the sentence that says so. Files before their rooms. */
const rules: readonly { readonly room: RegExp; readonly may: RegExp; readonly law: string }[] = [
  { room: /^(errors|call-options)\.ts$/, may: /^$/, law: "errors and call-options import nothing" },
  {
    room: /^call-timeout\.ts$/,
    may: /^src\/(errors|call-options)\.ts$/,
    law: "call-timeout imports the errors and call-options only",
  },
  {
    room: /^typeurl\.ts$/,
    may: /^(src\/errors\.ts$|@bufbuild\/protobuf)/,
    law: "typeurl imports protobuf and the errors only",
  },
  { room: /^api\//, may: /^(@bufbuild\/protobuf|src\/api\/)/, law: "api/ is generated and imports protobuf only" },
  {
    room: /^oci\//,
    may: /^(src\/(errors\.ts|oci\/)|node:crypto$)/,
    law: "oci/ knows no protobuf, no streams, no files, no network",
  },
  {
    room: /^rpc\//,
    may: /^(src\/(errors|call-options|call-timeout)\.ts|src\/(rpc|api)\/|@bufbuild\/protobuf|@connectrpc\/connect|node:)/,
    law: "rpc/ does not know what the calls are about",
  },
  {
    room: /^guardian\//,
    may: /^(src\/guardian\/|src\/rpc\/session\.ts$|node:)/,
    law: "guardian/ starts in a moment: it loads Node's own modules and the session, nothing else",
  },
  {
    room: /^tar\//,
    may: /^(src\/errors\.ts|src\/tar\/|tar-stream$|fzstd$|node:(stream|zlib))/,
    law: "tar/ turns streams of bytes into members and back, and knows neither files nor daemon",
  },
  {
    room: /^tree\//,
    may: /^(src\/errors\.ts|src\/(oci|tar|tree)\/|node:(?!net|http))/,
    law: "tree/ knows the files below one directory, and no daemon",
  },
  {
    room: /^content\/layout\//,
    may: /^(src\/(errors|call-options|call-timeout)\.ts|src\/(oci|content(?!\/remote))\/|node:(?!net|http))/,
    law: "content/layout/ is the only part of its room that knows files",
  },
  {
    room: /^content\/remote/,
    may: /^(src\/(errors|call-options|call-timeout)\.ts|src\/(oci|content|rpc|api)\/|@bufbuild\/protobuf|node:)/,
    law: "content/remote is the only file of its room that knows the daemon",
  },
  {
    room: /^content\//,
    may: /^(src\/(errors|call-options|call-timeout)\.ts|src\/(oci|content|tar)\/|node:(?!fs|net|http))/,
    law: "content/ knows no containers, no checkpoints and, outside its remote, no daemon",
  },
  {
    room: /^leases\/remote/,
    may: /^(src\/(errors|call-options|call-timeout)\.ts|src\/(leases|rpc|api)\/|@bufbuild\/protobuf|node:)/,
    law: "leases/remote is the only file of its room that knows the daemon",
  },
  {
    room: /^leases\//,
    may: /^(src\/(errors|call-options|call-timeout)\.ts|src\/leases\/)/,
    law: "leases/ knows no content and no checkpoints",
  },
  {
    room: /^checkpoint\//,
    may: /^(src\/(errors|call-options|call-timeout|typeurl)\.ts|src\/(oci|tar|content(?!\/remote|\/layout)|checkpoint)\/|src\/api\/types\/runc\/)/,
    law: "checkpoint/ has no daemon, no filesystem and no clock",
  },
  {
    room: /^crutils\//,
    may: /^(src\/(errors|call-options|call-timeout)\.ts|src\/(oci|tar|tree|content|checkpoint|crutils)\/|node:(?!net|http))/,
    law: "crutils/ is about directories and archives, and knows no daemon",
  },
  {
    room: /^(client\/|index\.ts$)/,
    may: /^(src\/(errors|call-options|call-timeout|typeurl)\.ts|src\/(oci|api|rpc|guardian|tar|tree|content|leases|checkpoint|crutils|client)\/|@bufbuild\/protobuf|node:)/,
    law: "client/ stands on the floors below and on no dependency of theirs",
  },
  {
    room: /^cli\//,
    may: /^(src\/(index|errors)\.ts|src\/(cli|client)\/|node:)/,
    law: "cli/ uses the library as anybody would",
  },
  {
    room: /^embedded\//,
    may: /^(src\/(errors|call-options|call-timeout|typeurl)\.ts|src\/(oci|api|rpc|tar|tree|content|leases|checkpoint|embedded)\/|@bufbuild\/protobuf|node:)/,
    law: "embedded/ stands on the floors below and does not know the client",
  },
];

const doors: Readonly<Record<string, readonly string[]>> = {
  "@connectrpc/connect-node": ["src/rpc/connect-transport.ts", "src/rpc/listen.ts"],
  "@connectrpc/connect": ["src/rpc/connect-transport.ts", "src/rpc/router.ts"],
  fzstd: ["src/tar/zstd-frame.ts"],
  "tar-stream": ["src/tar/tar.ts"],
};

interface Import {
  readonly file: string;
  readonly target: string;
}

function sources(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

function importsOf(root: string): Import[] {
  return sources(join(root, "src")).flatMap((path) => {
    const file = relative(root, path);
    const text = readFileSync(path, "utf8").replaceAll(/\/\*[\s\S]*?\*\//g, "");
    const statements = /^(?:import\s+|(?:import|export)\b[^;"=]*?\bfrom\s+)"([^"]+)";|\bimport\("([^"]+)"\)/gm;
    return [...text.matchAll(statements)].map(([, early, lazy]) => {
      const specifier = early ?? lazy ?? "";
      const target = specifier.startsWith(".")
        ? normalize(join(dirname(file), specifier)).replace(/\.js$/, ".ts")
        : specifier;
      return { file, target };
    });
  });
}

describe("the house", () => {
  const imports = importsOf(repositoryRoot());

  it("is read whole", () => {
    assert.ok(imports.length > 100, `only ${imports.length} imports found: the reader is broken`);
  });

  it("has arrows that only go down", () => {
    const broken = imports.flatMap(({ file, target }) => {
      const rule = rules.find(({ room }) => room.test(file.replace(/^src\//, "")));
      if (rule === undefined) return [`${file}: no rule for this room`];
      return rule.may.test(target) ? [] : [`${file} imports ${target}: ${rule.law}`];
    });
    assert.deepEqual(broken, []);
  });

  it("has one door for each dependency", () => {
    const manifest = JSON.parse(readFileSync(join(repositoryRoot(), "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const used = new Map<string, Set<string>>();
    for (const { file, target } of imports) {
      if (target.startsWith("src/") || target.startsWith("node:")) continue;
      const name = target
        .split("/")
        .slice(0, target.startsWith("@") ? 2 : 1)
        .join("/");
      used.set(name, (used.get(name) ?? new Set()).add(file));
    }
    for (const [name, door] of Object.entries(doors)) {
      assert.deepEqual([...(used.get(name) ?? [])].sort(), door, name);
    }
    assert.deepEqual([...used.keys()].sort(), Object.keys(manifest.dependencies).sort());
    for (const name of used.keys()) assert.ok(name === "@bufbuild/protobuf" || name in doors, `${name} has no door`);
  });
});
