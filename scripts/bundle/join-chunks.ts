import { dirname, join, relative } from "node:path";
import { type BuildOptions, type BuildResult, build, type Metafile, type OnResolveResult, type Plugin } from "esbuild";

type Outputs = Metafile["outputs"];
type Split = BuildResult<{ readonly metafile: true; readonly write: false }>;

/** Paths of joined files, by the chunks that become part of them. All paths are those of outputs. */
type Joined = ReadonlyMap<string, string>;

interface JoinOptions extends BuildOptions {
  readonly absWorkingDir: string;
  readonly outdir: string;
  readonly metafile: true;
}

const SPLIT = "split";
const JOINED = "joined";
const PART = "part";

/**
 * Puts chunks that are always loaded together into one file, and writes all. Where dynamic imports are many, what they share lies in
 * many chunks, though whoever runs them has loaded most of those before.
 */
export async function joinChunks(split: Split, entryPoints: readonly string[], options: JoinOptions): Promise<void> {
  const { outputs } = split.metafile;
  const folder = relative(options.absWorkingDir, options.outdir);
  const joined = joinedChunks(outputs, entryPoints, join(folder, "chunks"));
  const texts = new Map(split.outputFiles.map(({ path, text }) => [relative(options.absWorkingDir, path), text]));
  const alone = Object.keys(outputs).filter((path) => !joined.has(path));
  const named = (path: string) => ({ in: path, out: relative(folder, path).replace(/\.js$/, "") });
  const { metafile } = await build({
    ...options,
    entryPoints: [...alone, ...new Set(joined.values())].map(named),
    plugins: [chunksAs(outputs, joined, texts)],
  });
  requireOneWay(metafile.outputs);
}

const FRONT_DOOR = "src/index.ts";
/** What a checkpoint and a restore load, one after the other, while somebody waits. */
const WAITED_FOR = ["start-checkpoint", "checkpointing", "restoring", "new-task"].map(
  (name) => `src/client/${name}.ts`,
);
/** What these entries load may come with more of the same. */
const GENEROUS: Readonly<Record<string, readonly string[]>> = {
  "src/cli/main.ts": [],
  "src/embedded/index.ts": [],
  "src/checkpoint/index.ts": ["src/content/index.ts"],
  "src/crutils/index.ts": ["src/content/index.ts"],
};

function joinedChunks(outputs: Outputs, entryPoints: readonly string[], folder: string): Joined {
  const loaders = new Map<string, string[]>();
  for (const [path, { entryPoint = "" }] of Object.entries(outputs)) {
    if (!entryPoints.includes(entryPoint) && !WAITED_FOR.includes(entryPoint)) continue;
    for (const chunk of staticClosure(outputs, path)) loaders.set(chunk, [...(loaders.get(chunk) ?? []), entryPoint]);
  }
  const names = new Map<string, string>();
  const joined = new Map<string, string>();
  for (const [chunk, entries] of loaders) {
    const key = sharedBy(entries);
    // Entries, those of dynamic imports too, keep their files.
    if (key === undefined || outputs[chunk]?.entryPoint !== undefined) continue;
    const name = names.get(key) ?? `shared-${names.size + 1}`;
    names.set(key, name);
    joined.set(chunk, join(folder, `${name}.js`));
  }
  return joined;
}

/** Chunks of which the same is said share a file; those of which nothing is said stay as they are. */
function sharedBy(entries: readonly string[]): string | undefined {
  const generously = new Set(entries.flatMap((entry) => GENEROUS[entry] ?? [entry]));
  const waiting = WAITED_FOR.filter((entry) => generously.delete(entry));
  if (generously.has(FRONT_DOOR)) return [...generously].sort().join();
  if (waiting.length === 0) return undefined;
  // Whoever is first needs little, and at once.
  const waits = waiting.length === 1 || waiting[0] === WAITED_FOR[0] ? waiting[0] : "several";
  return [waits, ...[...generously].sort()].join();
}

function staticClosure(outputs: Outputs, path: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const { path: target, kind, external } of outputs[path]?.imports ?? [])
    if (kind === "import-statement" && external !== true) staticClosure(outputs, target, seen);
  return seen;
}

/** Files that import each other at once would find each other half made. */
function requireOneWay(outputs: Outputs): void {
  const over = new Set<string>();
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path)) throw new Error(`Files import each other: ${[...way, path].join(" -> ")}`);
    if (over.has(path)) return;
    for (const { path: target, kind } of outputs[path]?.imports ?? [])
      if (kind === "import-statement" && target.startsWith(".")) visit(join(dirname(path), target), [...way, path]);
    over.add(path);
  };
  for (const path of Object.keys(outputs)) visit(path, []);
}

/** Resolves the imports among chunks as what they are imports of now. */
function chunksAs(outputs: Outputs, joined: Joined, texts: ReadonlyMap<string, string>): Plugin {
  const chunks = [...joined.keys()];
  /** What an export of a chunk is called in the file it became part of. */
  const nameOf = (chunk: string, name: string) => `${name}_${chunks.indexOf(chunk)}`;
  const exportsOf = (chunk: string) => outputs[chunk]?.exports ?? [];
  const renamed = (chunk: string, from: string, rename: (name: string) => string) =>
    `export { ${exportsOf(chunk).map(rename).join(", ")} } from ${JSON.stringify(from)};`;
  const external = (from: string, to: string): OnResolveResult => {
    const path = relative(dirname(from), to);
    return { path: path.startsWith(".") ? path : `./${path}`, external: true };
  };
  return {
    name: "chunks-as",
    setup(build) {
      build.onResolve({ filter: /^/ }, ({ path, importer, namespace, kind }) => {
        if (kind === "entry-point") return { path, namespace: outputs[path] === undefined ? JOINED : SPLIT };
        if (namespace === JOINED) return { path, namespace: SPLIT };
        if (namespace === PART || !path.startsWith(".")) return { path, external: true };
        const target = join(dirname(importer), path);
        const from = joined.get(importer) ?? importer;
        const to = joined.get(target) ?? target;
        if (from === to) return { path: target, namespace: SPLIT };
        return to === target ? external(from, to) : { path: target, namespace: PART, suffix: `?${from}` };
      });
      build.onLoad({ filter: /^/, namespace: SPLIT }, ({ path }) => ({
        contents: texts.get(path) ?? "",
        loader: "js",
      }));
      build.onLoad({ filter: /^/, namespace: JOINED }, ({ path }) => ({
        contents: chunks
          .filter((chunk) => joined.get(chunk) === path)
          .map((chunk) => renamed(chunk, chunk, (name) => `${name} as ${nameOf(chunk, name)}`))
          .join("\n"),
      }));
      build.onLoad({ filter: /^/, namespace: PART }, ({ path, suffix }) => ({
        contents: renamed(
          path,
          external(suffix.slice(1), joined.get(path) ?? path).path ?? "",
          (name) => `${nameOf(path, name)} as ${name}`,
        ),
      }));
    },
  };
}
