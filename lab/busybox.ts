import { type Progress, programIn, unpack } from "./debian.js";
import { newest } from "./releases.js";

/** The path of a busybox that needs no libraries, which is downloaded first when it must be. */
export async function busyboxPath(progress?: Progress): Promise<string> {
  await unpack(newest, progress);
  return programIn(newest, "busybox");
}
