import { damageSuite } from "../suites/content-damage.js";
import { contentSuite } from "../suites/content-suite.js";
import { layoutSubject } from "./layout-bed.js";

contentSuite("a content store in an image layout", layoutSubject);
damageSuite("a layout", layoutSubject);
