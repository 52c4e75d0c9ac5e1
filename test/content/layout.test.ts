import { contentSuite } from "../suites/content-suite.js";
import { layoutSubject } from "./layout-bed.js";

contentSuite("a content store in an image layout", layoutSubject);
