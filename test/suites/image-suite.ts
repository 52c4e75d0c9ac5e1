import { afterEach, beforeEach, describe } from "node:test";
import { ContentBed, type ContentSubject } from "./content-bed.js";
import { checkCases } from "./image-checks.js";
import { documentCases } from "./image-documents.js";
import { usageCases } from "./image-usages.js";

/** What is read of images, whatever store they are in. */
export function imageSuite(name: string, make: () => Promise<ContentSubject>): void {
  describe(name, () => {
    const bed = new ContentBed(make);
    beforeEach(() => bed.begin());
    afterEach(() => bed.end());
    documentCases(bed);
    usageCases(bed);
    checkCases(bed);
  });
}
