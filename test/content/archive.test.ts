import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LayoutStore } from "../../src/content/layout/layout-store.js";
import { MemoryStore } from "../../src/content/memory.js";
import { archiveSuite } from "../suites/archive-suite.js";

archiveSuite("memory", async () => ({ store: new MemoryStore(), call: {}, end: async () => {} }));

archiveSuite("layout", async () => {
  const directory = await mkdtemp(join(tmpdir(), "archive-"));
  return {
    store: await LayoutStore.open(directory, { create: true }),
    call: {},
    end: () => rm(directory, { recursive: true }),
  };
});
