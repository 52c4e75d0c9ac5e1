import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** The most memory the process had while the work went on, garbage apart. */
export class Peak {
  bytes = 0;
  #count = 0;
  look(): void {
    if (this.#count++ % 8 !== 0) return;
    collect();
    this.bytes = Math.max(this.bytes, process.memoryUsage().rss);
  }
}
