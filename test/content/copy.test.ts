import { MemoryStore } from "../../src/content/memory.js";
import type { ContentSubject } from "../suites/content-bed.js";
import { copySuite } from "../suites/copy-suite.js";
import { layoutSubject } from "./layout-bed.js";

const memorySubject = async (): Promise<ContentSubject> => ({
  store: new MemoryStore(),
  call: {},
  end: async () => {},
});

copySuite("a copy from memory to memory", memorySubject, memorySubject);
copySuite("a copy from memory to a layout", memorySubject, layoutSubject);
copySuite("a copy from a layout to memory", layoutSubject, memorySubject);
copySuite("a copy from a layout to another", layoutSubject, layoutSubject);
