import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { OutputFile, Plugin } from "esbuild";

const ELSEWHERE = /new URL\("(\.[^"]+)", import\.meta\.url\)/g;

/**
 * Lets a source that says where a program is, seen from itself, say so from the folder of chunks. Programs are
 * named by their sources.
 */
export function seenFrom(chunks: string, programs: Readonly<Record<string, string>>): Plugin {
  return {
    name: "seen-from",
    setup(build) {
      build.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        const contents = text.replaceAll(
          ELSEWHERE,
          (_, to: string) =>
            `new URL("${relative(chunks, programOf(join(dirname(path), to), programs))}", import.meta.url)`,
        );
        return { contents, loader: "ts" };
      });
    },
  };
}

/** Such a source must have become part of a chunk. */
export function requireSeenFrom(chunks: string, outputs: readonly OutputFile[]): void {
  const elsewhere = outputs.find(({ path, text }) => dirname(path) !== chunks && /\bimport\.meta\.url\b/.test(text));
  if (elsewhere !== undefined) throw new Error(`${elsewhere.path} says where files are, but is no chunk`);
}

function programOf(compiled: string, programs: Readonly<Record<string, string>>): string {
  const program = programs[compiled.replace(/\.js$/, ".ts")];
  if (program === undefined) throw new Error(`${compiled} is not built`);
  return program;
}
