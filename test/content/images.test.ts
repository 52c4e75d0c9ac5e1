import { MemoryStore } from "../../src/content/memory.js";
import { imageSuite } from "../suites/image-suite.js";
import { layoutSubject } from "./layout-bed.js";

imageSuite("images in memory", async () => ({ store: new MemoryStore(), call: {}, end: async () => {} }));

imageSuite("images in an image layout", layoutSubject);
