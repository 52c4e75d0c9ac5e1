import { after, before, describe, it } from "node:test";
import { type Daemon, type DaemonOptions, startDaemon } from "../../lab/daemon.js";
import { preparedRelease, type ReleaseName, releaseNames } from "../../lab/releases.js";

/** The lines of containerd to test with: those the runner names, else those that need no download. */
export function testedReleases(): readonly ReleaseName[] {
  const named = process.env["LAB_RELEASES"]?.split(",");
  return releaseNames.filter((name) => named?.includes(name) ?? preparedRelease(name) !== undefined);
}

/** Describes something once for each line of containerd, with a daemon of its own. */
export function describeOnEachDaemon(
  name: string,
  body: (daemon: () => Daemon) => void,
  options: DaemonOptions = {},
): void {
  const releases = testedReleases();
  if (releases.length === 0) {
    it(name, { skip: process.env["LAB_WHY_NOT"] ?? "no containerd is prepared: run npm test once" });
    return;
  }
  for (const release of releases) {
    describe(`${name} (${release})`, () => {
      let daemon: Daemon | undefined;
      before(async () => {
        daemon = await startDaemon(release, options);
      });
      after(async () => {
        await daemon?.stop();
      });
      body(() => {
        if (daemon === undefined) throw new Error(`containerd ${release} is not running`);
        return daemon;
      });
    });
  }
}
