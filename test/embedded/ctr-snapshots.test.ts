import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { busyboxImage } from "../../lab/busybox-image.js";
import { runCommand } from "../../lab/command.js";
import { preparedRelease, type Release } from "../../lab/releases.js";
import { Client } from "../../src/client/client.js";
import { testedReleases } from "../daemon/releases.js";
import { listing } from "../suites/snapshot-bed.js";
import { type EmbeddedBed, embeddedBed } from "./beds.js";

const lines = testedReleases().flatMap((name) => preparedRelease(name) ?? []);

if (lines.length === 0) {
  it("ctr and snapshots", { skip: process.env["LAB_WHY_NOT"] ?? "no ctr is prepared: run npm test once" });
}
for (const line of lines) ctrCases(line);

/** What a ctr must be able to do with the snapshots of an embedded containerd. */
function ctrCases({ name, ctr: program }: Release): void {
  describe(`ctr of ${name} and the snapshots of an embedded containerd`, () => {
    let bed: EmbeddedBed;
    let client: Client;
    const says = async (...args: string[]) =>
      (await runCommand(program, ["--address", join(bed.directory, "c.sock"), "-n", "ctr", ...args])).stdout;
    before(async () => {
      bed = await embeddedBed("over a socket");
      client = new Client({ transport: bed.containerd.transport, namespace: "ctr" }, false);
    });
    after(async () => {
      await bed[Symbol.asyncDispose]();
    });

    it("unpacks, prepares, looks, measures, labels, compares, commits and removes", async () => {
      const image = await busyboxImage(client, "example.com/busybox:1");
      const [layer = ""] = (await image.rootFS()).diffIds;
      assert.match(await says("snapshots", "unpack", image.target.digest), /done/);
      await says("snapshots", "prepare", "work", layer);
      await says("snapshots", "view", "look", layer);
      const table = await says("snapshots", "ls");
      assert.match(table, new RegExp(`^${layer} +Committed *$`, "m"));
      assert.match(table, new RegExp(`^work +${layer} +Active *$`, "m"));
      assert.match(table, new RegExp(`^look +${layer} +View *$`, "m"));
      assert.match(await says("snapshots", "tree"), new RegExp(`${layer}\n.*\\\\_ look\n.*\\\\_ work`));
      assert.match(await says("snapshots", "mounts", "/target", "look"), /^mount -t embedded \S+ \/target -o ro/);
      assert.match(await says("snapshots", "usage", layer), /MiB +\d+/);
      assert.match(await says("snapshots", "usage", "look"), /^look +0(\.0)? B +0 *$/m);
      assert.match(await says("snapshots", "label", "work", "a=b"), /a=b/);
      const { Name, Kind, Parent } = JSON.parse(await says("snapshots", "info", "work")) as Record<string, string>;
      assert.deepEqual([Name, Kind, Parent], ["work", "Active", layer]);
      const call = { lease: await client.leases.create() };
      const difference = await client.diffs.diff(
        await client.snapshots().mounts("look"),
        await client.snapshots().mounts("work"),
        call,
      );
      assert.deepEqual(await listing(client.content.read(difference)), {});
      await says("snapshots", "diff", "--keep", "work");
      await says("snapshots", "commit", "done", "work");
      assert.match(await says("snapshots", "info", "done"), /"Kind": "Committed"/);
      await assert.rejects(says("snapshots", "rm", layer), /cannot remove snapshot with child/);
      for (const key of ["done", "look"]) await says("snapshots", "rm", key);
      assert.doesNotMatch(await says("snapshots", "ls"), /done|look/);
    });
  });
}
