import { join } from "node:path";
import { type Progress, programIn, type Suite, suiteDirectory, unpack } from "./debian.js";

const whole: Suite = {
  name: "sid",
  folder: "runtimes",
  packages: ["crun", "libcriu2", "runc", "criu", "runsc", "patchelf"],
};
const bare: Suite = { name: "sid", folder: "runtimes-without-criu", packages: ["crun", "patchelf"] };

/** OCI runtimes, as a machine may have them. */
export interface Runtimes {
  readonly crun: string;
  readonly runc: string;
  readonly runsc: string;
  readonly criu: string;
  /** One that was built with criu, where its library is not installed. */
  readonly crunWithoutLibrary: string;
}

/** Downloads the programs where they are not there yet. What may be in the way of that is in the way of the lab, too. */
export async function prepareRuntimes(progress?: Progress): Promise<Runtimes> {
  await unpack(whole, progress);
  await unpack(bare, progress);
  return {
    crun: programIn(whole, "crun"),
    runc: programIn(whole, "runc"),
    // It is linked with nothing.
    runsc: join(suiteDirectory(whole), "usr/bin/runsc"),
    criu: programIn(whole, "criu"),
    crunWithoutLibrary: programIn(bare, "crun"),
  };
}
