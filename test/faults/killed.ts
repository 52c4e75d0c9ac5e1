import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../lab/command.js";
import type { Scene } from "./scene.js";

/** What is done, by whom, when it is killed. */
export interface Killed {
  readonly name: string;
  /** The program to run at that address: ours, or a peer's. */
  readonly start: (scene: Scene, address: string, ref: string) => ChildProcess;
  /** Makes what the operation needs and `ref` stands for. */
  readonly prepare?: (scene: Scene) => Promise<string>;
  /** The container it makes, which may be there afterwards. */
  readonly makes?: string;
  /** Whether the image was there before and stays. */
  readonly keeps?: boolean;
  /** What its user can do about what it left. */
  readonly tidy: (scene: Scene) => Promise<unknown>;
  /** What is wrong with the files it left, after that. */
  readonly files?: (scene: Scene) => Promise<string[]>;
}

const program = fileURLToPath(new URL("victim.js", import.meta.url));
const ARCHIVE = "checkpoint.tar";

/** One of the victim program's operations. */
export function ours(what: string): Killed {
  const start = (subject: (scene: Scene) => string) => (scene: Scene, address: string, ref: string) => {
    const args = [program, what, address, scene.client.namespace, subject(scene), ref];
    return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  };
  const tidy = ({ client }: Scene) => client.sweep();
  const archive = (scene: Scene) => join(archives(scene), ARCHIVE);
  switch (what) {
    case "restore":
      return { name: what, makes: "thawed", start: start(() => "thawed"), prepare: frozen, tidy };
    case "export":
      return {
        name: what,
        keeps: true,
        start: start(archive),
        prepare: async (scene) => {
          await mkdir(archives(scene), { recursive: true });
          return frozen(scene);
        },
        tidy,
        files: halfArchives,
      };
    case "import":
      return {
        name: what,
        start: start(archive),
        prepare: async (scene) => {
          const ref = await frozen(scene);
          await mkdir(archives(scene), { recursive: true });
          await scene.client.images.exportFile(archive(scene), ref);
          await scene.client.images.delete(ref, { sync: true });
          return ref;
        },
        tidy,
      };
    default:
      return { name: what, start: start(({ container }) => container.id), tidy };
  }
}

/** A checkpoint by the daemon's own `ctr`, which knows nothing to tidy with. */
export const peer: Killed = {
  name: "checkpoint by ctr",
  start: ({ daemon, client, container }, address, ref) => {
    const words = ["containers", "checkpoint", "--image", "--rw", "--task", container.id, ref];
    const args = ["--address", address, "--namespace", client.namespace, ...words];
    return spawn(daemon.binaries.ctr, args, { stdio: ["ignore", "ignore", "inherit"] });
  },
  tidy: async () => {},
};

async function frozen(scene: Scene): Promise<string> {
  const ref = scene.fresh("frozen");
  await scene.container.checkpoint(ref);
  return ref;
}

function archives(scene: Scene): string {
  return join(scene.daemon.directory, "archives");
}

/** The archive is there whole or not at all, and nothing is beside it. */
async function halfArchives(scene: Scene): Promise<string[]> {
  const names = await readdir(archives(scene));
  const troubles = names.filter((name) => name !== ARCHIVE).map((name) => `left behind: file ${name}`);
  if (names.includes(ARCHIVE)) {
    const { code, stdout } = await runCommand("tar", ["-tf", join(archives(scene), ARCHIVE)], { allowFailure: true });
    if (code !== 0 || !stdout.includes("index.json")) troubles.push("half an archive under its name");
  }
  for (const name of names) await rm(join(archives(scene), name));
  return troubles;
}
