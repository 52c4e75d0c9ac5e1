import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The copyright notices at the heads of files that became part of a bundle, each once. */
export function inlinedLicenses(root: string, name: string, files: readonly string[]): string {
  const { version, license } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as {
    readonly version: string;
    readonly license: string;
  };
  const notices = files.flatMap((path) => readFileSync(join(root, path), "utf8").match(/^(?:\/\/.*\n)+/gm) ?? []);
  const kept = [...new Set(notices.filter((notice) => /\bcopyright\b/i.test(notice)))];
  if (kept.length === 0) throw new Error(`Found no copyright notice in ${name}`);
  const texts = kept.map((notice) => notice.replaceAll(/^\/\/ ?/gm, ""));
  return [`Part of these files is ${name} ${version} (${license}):\n`, ...texts].join("\n");
}
