import { existsSync } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../lab/command.js";
import { type Progress, programIn, type Suite, suiteDirectory, unpack } from "../lab/debian.js";
import { labDirectory, repositoryRoot } from "../lab/repository.js";

const suite: Suite = {
  name: "sid",
  folder: "go",
  packages: ["golang-go", "golang-github-containerd-containerd-dev"],
};

/** The Go half of the bench. */
export interface GoClient {
  readonly path: string;
  /** What it was built with. */
  readonly version: string;
}

/** Builds the Go half, where its sources are newer than what is there; Debian's Go and its Go client are downloaded first. */
export async function buildGoClient(progress: Progress): Promise<GoClient> {
  await unpack(suite, progress);
  const directory = join(labDirectory(), "bench");
  await mkdir(directory, { recursive: true });
  const path = join(directory, "go-client");
  const go = programIn(suite, "go");
  const env = {
    PATH: process.env["PATH"],
    HOME: directory,
    GO111MODULE: "off",
    GOROOT: join(suiteDirectory(suite), "usr", "lib", "go"),
    GOPATH: join(suiteDirectory(suite), "usr", "share", "gocode"),
    GOCACHE: join(directory, "go-cache"),
    CGO_ENABLED: "0",
  };
  const sources = join(repositoryRoot(), "bench", "go");
  if (await isOlder(path, sources)) {
    progress("go: building the client");
    await runCommand(go, ["build", "-C", sources, "-o", path, "."], { env });
  }
  const { stdout } = await runCommand(go, ["version"], { env });
  return { path, version: stdout.trim().replace("go version ", "") };
}

async function isOlder(path: string, sources: string): Promise<boolean> {
  if (!existsSync(path)) return true;
  const { mtimeMs } = await stat(path);
  for (const name of await readdir(sources)) {
    if ((await stat(join(sources, name))).mtimeMs > mtimeMs) return true;
  }
  return false;
}
