import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { prepareArchiveTools } from "../../lab/archive-tools.js";
import { whyNoLab } from "../../lab/preflight.js";
import { compareListings } from "./listing.js";

const whyNot = await whyNoLab();

describe("archives made by chance", { skip: whyNot ?? false }, () => {
  it("hold for GNU tar and bsdtar what they hold for us, or we refuse them", async () => {
    const directory = await mkdtemp(join(tmpdir(), "listing-"));
    try {
      const { bsdtar } = await prepareArchiveTools();
      const { differences, accepted } = await compareListings(bsdtar, join(directory, "archive.tar"), 1, 300);
      assert.deepEqual(differences, []);
      assert.ok(accepted > 20, `${accepted} accepted`);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
