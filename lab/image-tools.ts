import { type Progress, programIn, type Suite, unpack } from "./debian.js";

const tools: Suite = { name: "bookworm", folder: "image-tools", packages: ["skopeo", "umoci", "patchelf"] };

/** Programs of others that read and write images. */
export interface ImageTools {
  readonly skopeo: string;
  readonly umoci: string;
}

/** Downloads the programs where they are not there yet. What may be in the way of that is in the way of the lab, too. */
export async function prepareImageTools(progress?: Progress): Promise<ImageTools> {
  await unpack(tools, progress);
  return { skopeo: programIn(tools, "skopeo"), umoci: programIn(tools, "umoci") };
}
