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
const THAWED = "thawed";

/** What can be killed in the middle; a checkpoint may be followed by its modes. */
type Operation = "checkpoint" | `checkpoint+${string}` | "restore" | "import" | "export";

/** One of the victim program's operations. */
export function ours(what: Operation): Killed {
  return {
    name: what,
    ...around(what),
    start: (scene, address, ref) => {
      const args = [program, what, address, scene.client.namespace, subjectOf(scene, what), ref];
      return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
    },
    tidy: ({ client }) => client.sweep(),
  };
}

/** The same by the daemon's own `ctr`, which knows nothing to tidy with, and cannot thaw beside the living original. */
export function peers(what: "checkpoint" | "import" | "export"): Killed {
  return {
    name: `${what} by ctr`,
    ...around(what),
    start: (scene, address, ref) => {
      const words = {
        checkpoint: ["containers", "checkpoint", "--image", "--rw", "--task", subjectOf(scene, what), ref],
        import: ["images", "import", subjectOf(scene, what)],
        export: ["images", "export", "--skip-manifest-json", subjectOf(scene, what), ref],
      };
      const args = ["--address", address, "--namespace", scene.client.namespace, ...words[what]];
      return spawn(scene.daemon.binaries.ctr, args, { stdio: ["ignore", "ignore", "inherit"] });
    },
    tidy: async () => {},
  };
}

/** The container or the file it is about, beside an image. */
function subjectOf(scene: Scene, what: Operation): string {
  if (what === "restore") return THAWED;
  return what === "import" || what === "export" ? join(archives(scene), ARCHIVE) : scene.container.id;
}

/** What an operation needs, makes and may leave, whoever does it. */
function around(what: Operation): Pick<Killed, "prepare" | "makes" | "keeps" | "files"> {
  if (what === "restore") return { makes: THAWED, prepare: frozen };
  if (what !== "import" && what !== "export") return {};
  const prepare = async (scene: Scene) => {
    await mkdir(archives(scene), { recursive: true });
    const ref = await frozen(scene);
    if (what === "import") {
      await scene.client.images.exportFile(subjectOf(scene, what), ref);
      await scene.client.images.delete(ref, { sync: true });
    }
    return ref;
  };
  return what === "import" ? { prepare } : { keeps: true, prepare, files: halfArchives };
}

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
