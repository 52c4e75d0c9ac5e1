/** Replaces the compiled JavaScript in `dist/` by bundles of it. The declarations stay as the compiler made them. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { repositoryRoot } from "../../lab/repository.js";
import { inlinedLicenses } from "./inlined-licenses.js";
import { joinChunks } from "./join-chunks.js";
import { plainDescriptors } from "./plain-descriptors.js";
import { requireSeenFrom, seenFrom } from "./seen-from.js";

const root = repositoryRoot();
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly bin: string;
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
};

/** A program of its own in a file of its own; and Node.js starts a CommonJS program sooner. */
const guardian = { source: join(root, "src/guardian/main.ts"), program: join(root, "dist/guardian/main.cjs") };
/** Half of what a first call loads, in fifty files. The declarations still name the package, and so do its users. */
const inlined = "@bufbuild/protobuf";

function sourceOf(path: string): string {
  return path.replace(/^\.\/dist\/(.*)\.js$/, "src/$1.ts");
}

const exported = Object.values(manifest.exports).flatMap((to) => (typeof to === "string" ? [] : [to.default]));
const entryPoints = [...exported, manifest.bin].map(sourceOf);
const outdir = join(root, "dist");
const options = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  outdir,
  metafile: true,
  sourcesContent: false,
  logLevel: "warning",
} as const;

const split = await build({
  ...options,
  entryPoints,
  outbase: join(root, "src"),
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  // Names of classes are what people see of them.
  keepNames: true,
  write: false,
  sourcemap: "inline",
  external: Object.keys(manifest.dependencies).filter((name) => name !== inlined),
  plugins: [
    plainDescriptors(join(root, "scripts/bundle/plain-file.ts")),
    seenFrom(join(outdir, "chunks"), { [guardian.source]: guardian.program }),
  ],
});
requireSeenFrom(join(outdir, "chunks"), split.outputFiles);
for (const name of readdirSync(outdir, { recursive: true, encoding: "utf8" })) {
  if (/\.c?js(?:\.map)?$/.test(name)) rmSync(join(outdir, name));
}
await joinChunks(split, entryPoints, { ...options, sourcemap: true });
await build({
  ...options,
  entryPoints: { "guardian/main": guardian.source },
  format: "cjs",
  outExtension: { ".js": ".cjs" },
  sourcemap: true,
});
const foreign = Object.keys(split.metafile.inputs).filter((path) => path.includes(`node_modules/${inlined}/`));
writeFileSync(join(outdir, "LICENSES.txt"), inlinedLicenses(root, inlined, foreign));
