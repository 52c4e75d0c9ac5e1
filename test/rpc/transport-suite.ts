import { describe } from "node:test";
import { type Line, TransportBed } from "./transport-bed.js";
import { leftCases } from "./transport-left.js";
import { messageCases } from "./transport-messages.js";
import { outageCases } from "./transport-outages.js";
import { refusalCases } from "./transport-refusals.js";
import { streamCases } from "./transport-streams.js";
import { unaryCases } from "./transport-unary.js";

/** What any transport must keep, whatever it goes over. */
export function transportSuite(line: Line): void {
  describe(line.name, () => {
    const bed = new TransportBed(line);
    unaryCases(bed);
    streamCases(bed);
    leftCases(bed);
    refusalCases(bed);
    outageCases(bed);
    messageCases(bed);
  });
}
