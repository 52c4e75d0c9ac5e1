import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { openBoxes } from "./box.js";
import { type Daemon, startDaemon } from "./daemon.js";
import { whyNoLab } from "./preflight.js";
import { prepareReleases, type ReleaseName, releaseNames } from "./releases.js";

const USAGE = `node .build/lab/cli.js COMMAND
  up [RELEASE...]       start daemons (${releaseNames.join(", ")}) and keep them until ctrl-c or the end of the input
  ctr RELEASE ARGS...   run the ctr of a daemon that "up" keeps`;

async function up(names: readonly ReleaseName[]): Promise<void> {
  const why = await whyNoLab();
  if (why !== undefined) throw new Error(why);
  await prepareReleases(names, (line) => console.error(line));
  const daemons: Daemon[] = [];
  const ended = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM"), once(process.stdin.resume(), "end")]);
  try {
    for (const name of names) {
      const daemon = await startDaemon(name);
      daemons.push(daemon);
      console.log(`${name} ${daemon.address}`);
    }
    await ended;
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    process.stdin.destroy();
  }
}

async function ctr(release: string, args: readonly string[]): Promise<void> {
  const box = openBoxes().find(({ directory }) => readFileSync(`${directory}/release`, "utf8") === release);
  if (box === undefined) throw new Error(`No ${release} is running: start one with "up ${release}"`);
  const { directory } = box;
  const command = box.within(`${directory}/bin/ctr`, ["--address", `${directory}/c.sock`, ...args]);
  const [code] = (await once(spawn("bash", command, { stdio: "inherit" }), "exit")) as [number | null];
  process.exitCode = code ?? 1;
}

const [command, ...args] = process.argv.slice(2);
const unknown = command === "up" ? args.filter((name) => !(releaseNames as readonly string[]).includes(name)) : [];
if (command === "up" && unknown.length === 0) {
  await up(args.length === 0 ? releaseNames : releaseNames.filter((name) => args.includes(name)));
} else if (command === "ctr" && args[0] !== undefined) await ctr(args[0], args.slice(1));
else {
  console.error(USAGE);
  process.exitCode = 2;
}
