import { platform } from "node:os";
import { freezeSuite } from "../suites/freeze-suite.js";
import { taskSuite } from "../suites/task-suite.js";
import { ways } from "./beds.js";
import { simulatedSubject } from "./task-beds.js";

// Streams need named pipes.
const some = platform() === "win32" ? [] : ways;

for (const way of some) {
  taskSuite(`simulated tasks of an embedded containerd ${way}`, () => simulatedSubject(way));
  freezeSuite(`simulated tasks of an embedded containerd ${way}, frozen and thawed,`, () => simulatedSubject(way));
}
