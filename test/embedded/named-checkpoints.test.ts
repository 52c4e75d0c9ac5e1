import { platform } from "node:os";
import { homes, namedSuite } from "../suites/named-suite.js";
import { ways } from "./beds.js";
import { simulatedSubject } from "./task-beds.js";

// Streams need named pipes.
const some = platform() === "win32" ? [] : ways;

for (const way of some) {
  for (const home of homes) {
    namedSuite(`named checkpoints of an embedded containerd ${way}`, home, () => simulatedSubject(way));
  }
}
