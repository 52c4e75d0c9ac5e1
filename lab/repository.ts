import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds package.json, seen from wherever this was compiled to. */
export function repositoryRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) directory = dirname(directory);
  return directory;
}

/** The ignored folder that holds all that the lab downloads and runs. */
export function labDirectory(): string {
  return join(repositoryRoot(), ".lab");
}

/** One of the lab's shell scripts. */
export function labScript(name: "fetch.sh" | "box.sh" | "podman.sh"): string {
  return join(repositoryRoot(), "lab", name);
}
