import { type Progress, programIn, type Suite, unpack } from "./debian.js";

const tools: Suite = {
  name: "trixie",
  folder: "archive-tools",
  packages: ["libarchive-tools", "checkpointctl", "attr", "patchelf"],
};

/** Programs of others that read checkpoint archives. */
export interface ArchiveTools {
  readonly bsdtar: string;
  readonly checkpointctl: string;
  readonly getfattr: string;
  readonly setfattr: string;
}

/** Downloads the programs where they are not there yet. What may be in the way of that is in the way of the lab, too. */
export async function prepareArchiveTools(progress?: Progress): Promise<ArchiveTools> {
  await unpack(tools, progress);
  return {
    bsdtar: programIn(tools, "bsdtar"),
    checkpointctl: programIn(tools, "checkpointctl"),
    getfattr: programIn(tools, "getfattr"),
    setfattr: programIn(tools, "setfattr"),
  };
}
