import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import type { ContentSubject } from "../suites/content-bed.js";

/** A layout in a directory of its own, for the suites. */
export async function layoutSubject(): Promise<
  ContentSubject & Required<Pick<ContentSubject, "fileOf">> & { readonly store: LayoutStore }
> {
  const directory = await mkdtemp(join(tmpdir(), "layout-"));
  const store = await LayoutStore.open(directory, { create: true });
  return {
    store,
    call: {},
    fileOf: (digest) => join(directory, "blobs", ...digest.split(":")),
    end: () => rm(directory, { recursive: true }),
  };
}
