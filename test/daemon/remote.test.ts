import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { readBlob, writeBlob } from "../../src/content/index.js";
import {
  type Client,
  type ConnectOptions,
  type Container,
  ContainerdError,
  connect,
  isContainerdError,
  isDeadlineExceeded,
  isFailedPrecondition,
  isNotFound,
  isUnavailable,
  nullIO,
  streamIO,
  withRestoreCriuConfig,
} from "../../src/index.js";
import { testCertificates } from "../client/certificates.js";
import { Relay } from "../rpc/relay.js";
import { assertNothingLeft, listed, taskState } from "./audit.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";
import { SILENT_COUNT } from "./silent-counter.js";

const MIB = 1024 * 1024;
const LOOPBACK = "127.0.0.1";

describeOnEachDaemon("a daemon behind a relay", (daemon) => {
  let near: Client;
  let relay: Relay;
  let serial = 0;

  before(async () => {
    near = await clientFor(daemon(), "remote");
  });
  after(() => near.close());
  afterEach(async () => {
    await relay[Symbol.asyncDispose]();
    for (const id of await listed(daemon(), near, "containers", "ls", "-q")) {
      await discard(await near.containers.get(id));
    }
    for await (const image of near.images.list())
      if (image.name !== IMAGE) await near.images.delete(image.name, { sync: true });
    await assertNothingLeft(daemon(), near);
  });

  /** What must work, however one gets there. */
  const works = async (options: ConnectOptions) => {
    await using client = await connect({ namespace: near.namespace, ...options });
    assert.deepEqual(await client.version(), await near.version());
    const bytes = randomBytes(8 * MIB);
    await using lease = await client.leases.create();
    const blob = await writeBlob(client.content, bytes, { mediaType: "application/octet-stream" }, { lease });
    assert.ok(bytes.equals(await readBlob(client.content, blob)));
    const { stdout } = await daemon().ctr(["-n", near.namespace, "content", "ls", "-q"]);
    assert.ok(stdout.includes(blob.digest));

    const { container } = await start(client, `far${++serial}`, SILENT_COUNT);
    // The file may be caught between being emptied and written: what it holds in the checkpoint says nothing.
    const before = await countsBeyond(client, container, 2);
    const { leftBehind } = await container.checkpoint("cp:far");
    assert.deepEqual(leftBehind, []);
    assert.equal(await taskState(daemon(), near, container.id), "RUNNING");
    const copy = await client.restore(`far${++serial}`, "cp:far");
    const task = await copy.newTask({ checkpoint: "cp:far", io: nullIO() });
    await task.start();
    const count = await countsBeyond(client, copy, before);
    assert.ok(count - before < 200, `${before} → ${count}: it did not go on, it began anew or jumped`);
    assert.equal(await taskState(daemon(), near, copy.id), "RUNNING");
  };

  it("is reached over TCP: content, and a whole checkpoint and restore", async () => {
    relay = await Relay.listen({ port: 0, host: LOOPBACK }, { path: daemon().address });
    await works({ address: `tcp://${LOOPBACK}:${relay.port}` });
  });

  it("is reached over TLS with certificates on both sides, and not without", async () => {
    const { ca, server, client } = await testCertificates();
    const secure = { ...server, ca, requestCert: true, rejectUnauthorized: true };
    relay = await Relay.listen({ port: 0, host: LOOPBACK }, { path: daemon().address }, secure);
    const address = `https://localhost:${relay.port}`;
    await works({ address, tls: { ca, ...client } });
    await assert.rejects(connect({ address, tls: { ca } }), (reason) => isContainerdError(reason, "unauthenticated"));
  });

  describe("of which nothing else is shared", () => {
    let far: Client;
    let container: Container;

    beforeEach(async () => {
      relay = await Relay.listen({ port: 0, host: LOOPBACK }, { path: daemon().address });
      far = await connect({ address: `tcp://${LOOPBACK}:${relay.port}`, namespace: near.namespace });
      ({ container } = await start(far, `far${++serial}`, SILENT_COUNT));
      await countsBeyond(near, container, 2);
    });
    afterEach(() => far.close());

    it("refuses streams, and makes no task", async () => {
      const other = await far.containers.create(`far${++serial}`, { image: IMAGE, args: SILENT_COUNT });
      await assert.rejects(other.newTask({ io: streamIO() }), isFailedPrecondition);
      assert.equal(await taskState(daemon(), near, other.id), undefined);
    });

    it("takes criu's configuration as a file over there, not as a directory to write to", async () => {
      await container.checkpoint("cp:1");
      const { directory } = daemon();
      const before = await readdir(directory);
      const id = `far${++serial}`;
      await assert.rejects(far.restore(id, "cp:1", [withRestoreCriuConfig({ directory })]), (reason) => {
        assert.ok(isFailedPrecondition(reason), String(reason));
        assert.match(reason.hint ?? "", /path/);
        return true;
      });
      assert.deepEqual(await readdir(directory), before);
      assert.ok(!(await listed(daemon(), near, "containers", "ls", "-q")).includes(id));
      const path = join(directory, "criu.conf");
      await writeFile(path, "file-locks\n");
      const copy = await far.restore(id, "cp:1", [withRestoreCriuConfig({ path })]);
      assert.equal((await copy.spec()).annotations?.["org.criu.config"], path);
      const task = await copy.newTask({ checkpoint: "cp:1" });
      await task.start();
      await countsBeyond(near, copy, await countOf(near, copy));
    });

    const drop = async () => {
      const { port } = relay;
      await relay[Symbol.asyncDispose]();
      relay = await Relay.listen({ port, host: LOOPBACK }, { path: daemon().address });
    };

    it("has its task resumed over a new connection, and the checkpoint goes on", async () => {
      let back: Promise<unknown> | undefined;
      const { leftBehind } = await container.checkpoint("cp:1", [], {
        onProgress: (progress) => {
          if (progress.phase === "resume") back ??= drop();
        },
      });
      await back;
      assert.deepEqual(leftBehind, []);
      assert.equal(await taskState(daemon(), near, container.id), "RUNNING");
      await countsBeyond(near, container, await countOf(near, container));
    });

    for (const phase of ["prepare", "pause", "capture", "write", "register"]) {
      it(`is cleaned up over a new connection when the first was lost in phase ${phase}`, async () => {
        let back: Promise<unknown> | undefined;
        const attempt = container.checkpoint("cp:1", [], {
          onProgress: (progress) => {
            if (progress.phase === phase) back ??= drop();
          },
        });
        const reason = await attempt.then(
          () => undefined,
          (failure: unknown) => failure,
        );
        if (reason === undefined) {
          // What is written first has its connection made anew, and what comes later may find that.
          assert.equal(phase, "write");
          const whole = await near.images.get("cp:1");
          for await (const { descriptor } of whole.walk()) await near.content.info(descriptor.digest);
          await near.images.delete("cp:1", { sync: true });
        } else {
          assert.ok(reason instanceof ContainerdError);
          assert.equal(reason.operation?.phase, phase);
          assert.equal(reason.operation?.taskStatus, "running", reason.message);
          // From here it cannot be seen what became of a dump that was under way.
          const left = reason.operation?.leftBehind ?? [];
          assert.equal(left.length, phase === "capture" ? 1 : 0, left.join("\n"));
          assert.ok(left.every((what) => what.includes("containerd's temporary directory")));
        }
        await back;
        assert.equal(await taskState(daemon(), near, container.id), "RUNNING");
        await countsBeyond(near, container, await countOf(near, container));
        await assert.rejects(near.images.get("cp:1"), isNotFound);
        await assertNothingLeft(daemon(), near);
        assert.deepEqual((await container.checkpoint("cp:1")).leftBehind, []);
      });
    }

    it("is unavailable when the relay is gone, and silent when that is", async () => {
      relay.swallow();
      await assert.rejects(far.version({ timeoutMs: 300 }), isDeadlineExceeded);
      await relay[Symbol.asyncDispose]();
      const timeoutMs = 5_000;
      await assert.rejects(far.version({ timeoutMs }), isUnavailable);
      await assert.rejects(far.images.get(IMAGE, { timeoutMs }), isUnavailable);
      await assert.rejects(far.restore("x", "cp:1", [], { timeoutMs }), isUnavailable);
      await assert.rejects(container.checkpoint("cp:1", [], { timeoutMs }), isUnavailable);
    });
  });
});
