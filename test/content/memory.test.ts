import { MemoryStore } from "../../src/content/memory.js";
import { contentSuite } from "../suites/content-suite.js";

contentSuite("a content store in memory", async () => ({
  store: new MemoryStore(),
  call: {},
  end: async () => {},
}));
