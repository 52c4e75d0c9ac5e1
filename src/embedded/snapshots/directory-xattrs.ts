import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { NotImplementedError } from "../../errors.js";
import { readTar, type TarFile, writeTar } from "../../tar/tar.js";
import type { NodeType, Xattrs } from "./tree.js";
import { cleanPath } from "./tree-path.js";

const run = promisify(execFile);

// What belongs to this machine and not to the files is left out: labels of its security modules, marks of its overlays.
const wanted = ["user.*", "trusted.*", "security.capability"].map((name) => `--xattrs-include=${name}`);
const SELECTION = ["--xattrs", ...wanted, "--xattrs-exclude=trusted.overlay.*"];

/**
 * The extended attributes of all files in a directory. Node.js has no calls for them: GNU tar tells them.
 *
 * @throws {NotImplementedError} when there is no GNU tar
 */
export async function readXattrs(directory: string): Promise<ReadonlyMap<string, Xattrs>> {
  const found = new Map<string, Xattrs>();
  const args = [
    "--create",
    "--format=posix",
    "--warning=none",
    ...SELECTION,
    "--directory",
    directory,
    "--file=-",
    ".",
  ];
  const tar = spawn("tar", args, { stdio: ["ignore", "pipe", "pipe"] });
  const said: Uint8Array[] = [];
  tar.stderr.on("data", (chunk: Uint8Array) => said.push(chunk));
  const ended = once(tar, "close").catch((reason: unknown) => reason);
  try {
    for await (const { name, type, linkName = "", xattrs } of readTar(tar.stdout)) {
      const all = type === "link" ? found.get(cleanPath(linkName)) : xattrs;
      if (all !== undefined) found.set(cleanPath(name), all);
    }
  } finally {
    await ended;
  }
  // 1: a file changed meanwhile.
  if (tar.exitCode !== 0 && tar.exitCode !== 1) {
    const words = Buffer.concat(said).toString().trim();
    throw new NotImplementedError(
      `Cannot read the extended attributes in ${directory}: ${words || "there is no tar"}`,
      {
        hint: "Install GNU tar.",
      },
    );
  }
  return found;
}

/** Has something done to a path by another process. */
type Reach = (path: string, act: (reached: string, type: NodeType | undefined) => Promise<void>) => Promise<void>;

/**
 * Sets extended attributes: GNU tar gives them to empty files, and cp from there.
 *
 * @throws {NotImplementedError} when that cannot be done, with the path of the file
 */
export async function writeXattrs(root: string, all: ReadonlyMap<string, Xattrs>, reach: Reach): Promise<void> {
  if (all.size === 0) return;
  // On the same file system: another may not take them.
  const directory = await mkdtemp(`${root}.xattrs-`);
  try {
    const models: TarFile[] = [];
    for (const [path, xattrs] of all) {
      await reach(path, async (_, type) => {
        if (type !== "file" && type !== "directory") throw cannotSet(path, `it is a ${type}`);
        models.push({ name: String(models.length), type, xattrs });
      });
    }
    const archive = join(directory, "models.tar");
    await pipeline(Readable.from(writeTar(models)), createWriteStream(archive));
    const extraction = ["--extract", "--xattrs", "--xattrs-include=*", "--directory", directory, "--file", archive];
    const [first = ""] = all.keys();
    await attempt(first, run("tar", extraction));
    for (const [at, path] of [...all.keys()].entries()) {
      await reach(path, (reached) =>
        attempt(
          path,
          run("cp", ["-rT", "--attributes-only", "--preserve=xattr", join(directory, String(at)), reached]),
        ),
      );
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function attempt(path: string, done: Promise<{ readonly stderr: string }>): Promise<void> {
  const said = await done.then(
    ({ stderr }) => stderr,
    (reason: unknown) => {
      throw cannotSet(path, reason instanceof Error ? reason.message.trim() : String(reason), reason);
    },
  );
  // GNU tar warns and goes on where the file system takes none.
  if (said !== "") throw cannotSet(path, said.trim());
}

function cannotSet(path: string, why: string, cause?: unknown): NotImplementedError {
  return new NotImplementedError(`Cannot set the extended attributes of ${path}: ${why}`, {
    cause,
    hint: "GNU tar, GNU cp and a file system with extended attributes are needed.",
  });
}
