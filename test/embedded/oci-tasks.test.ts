import { it } from "node:test";
import { freezeSuite } from "../suites/freeze-suite.js";
import { taskSuite } from "../suites/task-suite.js";
import { whyNoOciRuntime } from "./oci-programs.js";
import { ociSubject } from "./task-beds.js";

const skip = whyNoOciRuntime();

if (skip === false) {
  taskSuite("containers of an embedded containerd with runc", ociSubject);
  freezeSuite("containers of an embedded containerd with runc and criu, frozen and thawed,", ociSubject);
} else {
  it("containers of an embedded containerd with runc", { skip });
}
