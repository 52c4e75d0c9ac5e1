import { type Progress, programIn, type Suite, unpack } from "./debian.js";

const suite: Suite = { name: "bookworm", folder: "strace", packages: ["strace", "patchelf"] };

/** Downloads strace where it is not there yet, and says where it is. */
export async function prepareStrace(progress?: Progress): Promise<string> {
  await unpack(suite, progress);
  return programIn(suite, "strace");
}
