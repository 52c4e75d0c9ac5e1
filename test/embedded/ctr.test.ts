import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { type CommandResult, runCommand } from "../../lab/command.js";
import { preparedRelease, type Release } from "../../lab/releases.js";
import { Client } from "../../src/client/client.js";
import { digestOf } from "../../src/oci/digest.js";
import { RuntimeSpecType } from "../../src/typeurl.js";
import { testedReleases } from "../daemon/releases.js";
import { type EmbeddedBed, embeddedBed } from "./beds.js";
import { simulatedImage } from "./task-beds.js";

const IMAGE = "docker.io/library/programs:1";
const lines = testedReleases().flatMap((name) => preparedRelease(name) ?? []);

if (lines.length === 0) {
  it("ctr and an embedded containerd", { skip: process.env["LAB_WHY_NOT"] ?? "no ctr is prepared: run npm test once" });
}
for (const line of lines) ctrCases(line);

/** What a ctr must see of an embedded containerd: as much as of a daemon, but for what its documentation leaves out. */
function ctrCases({ name, ctr: program }: Release): void {
  describe(`ctr of ${name} and an embedded containerd`, () => {
    let bed: EmbeddedBed;
    let client: Client;
    const ctr = (
      args: readonly string[],
      options: { readonly input?: Uint8Array; readonly allowFailure?: boolean } = {},
    ) => runCommand(program, ["--address", join(bed.directory, "c.sock"), "-n", "ctr", ...args], options);
    const says = async (...args: string[]) => (await ctr(args)).stdout;
    before(async () => {
      bed = await embeddedBed("over a socket");
      client = new Client({ transport: bed.containerd.transport, namespace: "ctr" }, false);
      await simulatedImage(client, IMAGE);
    });
    after(() => bed[Symbol.asyncDispose]());

    it("tell each other who they are", async () => {
      assert.match(await says("version"), /Server:\s+Version: {2}2\.\d+\.\d+\+embedded\s/);
      const plugins = await says("plugins", "ls");
      for (const plugin of ["content.v1 +content", "snapshotter.v1 +overlayfs", "grpc.v1 +tasks", "runtime.v2 +task"]) {
        assert.match(plugins, new RegExp(`^io\\.containerd\\.${plugin} .*ok *$`, "m"));
      }
    });

    it("agree on namespaces", async () => {
      await says("namespaces", "create", "new", "a=b");
      assert.match(await says("namespaces", "ls"), /^new +a=b *$/m);
      assert.match(await says("namespaces", "ls"), /^ctr *$/m);
      await says("namespaces", "label", "new", "a=", "c=d");
      assert.match(await says("namespaces", "ls"), /^new +c=d *$/m);
      await says("namespaces", "remove", "new");
      assert.doesNotMatch(await says("namespaces", "ls"), /^new /m);
      const failed = await ctr(["namespaces", "remove", "ctr"], { allowFailure: true });
      assert.match(failed.stderr, /must be empty, but it still has images, blobs/);
    });

    it("exchange content", async () => {
      const bytes = randomBytes(3 * 1024 * 1024 + 1);
      const digest = digestOf(bytes);
      await ctr(["content", "ingest", "--expected-digest", digest, "--expected-size", `${bytes.length}`, "r"], {
        input: bytes,
      });
      assert.ok((await says("content", "ls", "-q")).split("\n").includes(digest));
      assert.match(await says("content", "label", digest, "mine=yes"), /mine=yes/);
      assert.deepEqual([(await client.content.info(digest)).labels["mine"]], ["yes"]);
      const file = join(bed.directory, "got");
      await runCommand("sh", [
        "-c",
        `"$@" > ${file}`,
        "sh",
        program,
        "--address",
        join(bed.directory, "c.sock"),
        "-n",
        "ctr",
        "content",
        "get",
        digest,
      ]);
      const { stdout } = await runCommand("sha256sum", [file]);
      assert.equal(`sha256:${stdout.split(" ")[0]}`, digest);
      await rm(file);
      await using open = await client.content.writer("open", { size: 100 });
      await open.write(Buffer.alloc(40));
      assert.match(await says("content", "active"), /^open\s+40B\s/m);
      await says("content", "rm", digest);
      const gone = await ctr(["content", "get", digest], { allowFailure: true });
      assert.match(gone.stderr, new RegExp(`content digest ${digest}: not found`));
    });

    it("agree on images", async () => {
      const { target } = await client.images.get(IMAGE);
      assert.match(await says("images", "ls"), new RegExp(`^${IMAGE} .* ${target.digest} .* linux/`, "m"));
      assert.match(await says("images", "check"), / complete \(2\/2\) .* false *$/m);
      assert.match(await says("images", "label", IMAGE, "a=b"), /a=b/);
      assert.equal((await client.images.get(IMAGE)).labels["a"], "b");
      const tagged = "docker.io/library/tagged:1";
      // Else that of containerd 2 leaves the work to a service that the embedded one has not.
      const local = name === "v21" ? ["--local"] : [];
      await says("images", "tag", ...local, IMAGE, tagged);
      const file = join(bed.directory, "image.tar");
      await says("images", "export", ...local, file, tagged);
      await says("images", "rm", "--sync", tagged);
      assert.deepEqual((await says("images", "ls", "-q")).trim().split("\n"), [IMAGE]);
      await says("images", "import", ...local, file);
      assert.equal((await client.images.get(tagged)).target.digest, target.digest);
      assert.match(await says("images", "check"), / true *$/m);
      await says("images", "rm", "--sync", tagged);
    });

    it("agree on leases, and ctr's deletion collects", async () => {
      await says("leases", "create", "--id", "l1", "-x", "1h", "a=b");
      assert.match(await says("leases", "ls"), /^l1 .*a=b/m);
      const held = await client.content.put?.("held", Buffer.from("held"), {
        expected: digestOf(Buffer.from("held")),
        lease: { id: "l1" },
      });
      assert.ok(held);
      await says("leases", "rm", "--sync", "l1");
      assert.doesNotMatch(await says("content", "ls", "-q"), new RegExp(held.digest));
    });

    it("agree on containers", async () => {
      const spec = create(AnySchema, { typeUrl: RuntimeSpecType.spec, value: Buffer.from('{"ociVersion":"1.1.0"}') });
      await client.containers.register({
        id: "c1",
        image: IMAGE,
        spec,
        runtime: { name: "io.containerd.runc.v2" },
        labels: { role: "db" },
      });
      assert.match(await says("containers", "ls"), new RegExp(`^c1 +${IMAGE} +io\\.containerd\\.runc\\.v2 *$`, "m"));
      assert.match(await says("containers", "info", "c1"), /"ociVersion": "1\.1\.0"/);
      assert.match(await says("containers", "label", "c1", "more=1"), /more=1/);
      assert.deepEqual((await (await client.containers.get("c1")).info()).labels, { role: "db", more: "1" });
      await says("containers", "rm", "c1");
      assert.equal((await says("containers", "ls", "-q")).trim(), "");
      assert.equal((await says("tasks", "ls", "-q")).trim(), "");
    });

    it("tell of events", async () => {
      const stop = new AbortController();
      let heard = "";
      let wake = () => {};
      const listening = runCommand(
        program,
        ["--address", join(bed.directory, "c.sock"), "events", 'topic~="/(namespaces|images)/"'],
        {
          signal: stop.signal,
          onLine: (line) => {
            heard += `${line}\n`;
            wake();
          },
        },
      ).catch((reason: unknown): CommandResult => {
        if (!stop.signal.aborted) throw reason;
        return { stdout: "", stderr: "", code: 0 };
      });
      // ctr does not say when it listens: something happens until it was seen.
      for (let at = 0; !/\/namespaces\/create .*"name":"n/.test(heard); at++) {
        await client.namespaces.create(`n${at}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, 50);
        });
      }
      await (await client.images.get(IMAGE)).update({ labels: { heard: "yes" } });
      while (!heard.includes("/images/update")) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      assert.match(heard, /ctr \/images\/update \{"name":"docker\.io\/library\/programs:1".*"heard":"yes"/);
      stop.abort();
      await listening;
    });
  });
}
