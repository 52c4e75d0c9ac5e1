import assert from "node:assert/strict";
import { dirname } from "node:path";
import { after, afterEach, before, beforeEach, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findFreezer, setKernelFrozen } from "../../src/guardian/freezer.js";
import {
  type Client,
  type Container,
  connect,
  isDeadlineExceeded,
  isNotFound,
  unixTransport,
} from "../../src/index.js";
import { testCertificates } from "../client/certificates.js";
import { Relay } from "../rpc/relay.js";
import { assertNothingLeft, seen, taskState } from "./audit.js";
import { guardianGone, guardiansOf, startChild } from "./child.js";
import { clientFor } from "./client.js";
import { countOf, countsBeyond, discard, IMAGE, start } from "./counter.js";
import type { ChildWork } from "./operation-child.js";
import { describeOnEachDaemon } from "./releases.js";
import { RpcLedger } from "./rpc-ledger.js";

describeOnEachDaemon("a guardian", (daemon) => {
  let client: Client;
  let container: Container;
  let serial = 0;

  before(async () => {
    client = await clientFor(daemon(), "guardian");
  });
  after(() => client.close());
  beforeEach(async () => {
    ({ container } = await start(client, `g${++serial}`));
    await countsBeyond(client, container, 2);
  });
  afterEach(async () => {
    await discard(container);
    for await (const image of client.images.list())
      if (image.name !== IMAGE) await client.images.delete(image.name, { sync: true });
    await client.sweep();
    await assertNothingLeft(daemon(), client);
  });

  const work = (more: Partial<ChildWork>): ChildWork => {
    const { address } = daemon();
    return { address, namespace: client.namespace, id: container.id, ref: "cp:1", ...more };
  };

  /** Waits until the task runs, as `ctr` sees it, and counts on. */
  const runsAgain = async () => {
    for (let tries = 0; (await taskState(daemon(), client, container.id)) !== "RUNNING"; tries++) {
      assert.ok(tries < 100, "the task stays paused");
      await sleep(20);
    }
    await countsBeyond(client, container, await countOf(client, container));
  };

  const cases: readonly Partial<ChildWork>[] = [
    { dieIn: "prepare" },
    { dieIn: "pause" },
    { dieIn: "pause", afterMs: 5 },
    { dieIn: "capture" },
    { dieIn: "capture", afterMs: 30 },
    { dieIn: "capture", afterMs: 80, way: "daemon" },
    { dieIn: "resume" },
    { dieIn: "write" },
    { dieIn: "register" },
    { dieIn: "register", exit: true },
    { dieIn: "exit", exit: true },
  ];
  for (const one of cases) {
    it(`resumes the task when the process is killed: ${JSON.stringify(one)}`, async () => {
      const child = startChild(work(one));
      const said = await child.ended();
      assert.ok(!said.includes("succeeded"), said.join(", "));
      await runsAgain();
      await guardianGone(child);
      await runsAgain();
    });
  }

  it("ends with its job, and the result says that it was there", async () => {
    const child = startChild(work({}));
    await child.says("capture");
    assert.equal(guardiansOf(child).length, 1);
    const said = await child.ended();
    assert.ok(said.includes("guarded true"), said.join(", "));
    await guardianGone(child);
  });

  it("resumes the task when the daemon is back that died as well", async () => {
    const child = startChild(work({ dieIn: "capture" }));
    await child.says("capture");
    await daemon().kill();
    await child.ended();
    await sleep(500);
    await daemon().start();
    await runsAgain();
    await guardianGone(child);
    await runsAgain();
  });

  it("stands by over TCP as well", async () => {
    await using relay = await Relay.listen({ port: 0, host: "127.0.0.1" }, { path: daemon().address });
    const child = startChild(work({ address: `tcp://127.0.0.1:${relay.port}`, dieIn: "capture" }));
    await child.ended();
    await runsAgain();
    await guardianGone(child);
    await runsAgain();
  });

  it("stands by over TLS as well, with a key in bytes", async () => {
    const { ca, server, client: own } = await testCertificates();
    const secure = { ...server, ca, requestCert: true, rejectUnauthorized: true };
    await using relay = await Relay.listen({ port: 0, host: "127.0.0.1" }, { path: daemon().address }, secure);
    const tls = { ca, cert: own.cert, key: Buffer.from(own.key) };
    await using far = await connect({ address: `https://localhost:${relay.port}`, namespace: client.namespace, tls });
    const { guarded } = await (await far.containers.get(container.id)).checkpoint("cp:1");
    assert.equal(guarded, true);
  });

  it("that dies as well leaves the rest to whoever recovers", async () => {
    const child = startChild(work({ dieIn: "capture", signal: "SIGSTOP" }));
    await child.says("capture");
    for (const pid of [...guardiansOf(child), child.pid]) process.kill(pid, "SIGKILL");
    await child.ended();
    assert.equal(await taskState(daemon(), client, container.id), "PAUSED");
    const recovered = await client.recover();
    assert.deepEqual(
      recovered.map(({ pause }) => pause),
      ["resumed"],
    );
    await runsAgain();
  });

  it("that dies alone harms nothing; the result says so", async () => {
    const child = startChild(work({ dieIn: "capture", signal: "SIGSTOP" }));
    await child.says("capture");
    for (const pid of guardiansOf(child)) process.kill(pid, "SIGKILL");
    child.process.kill("SIGCONT");
    const said = await child.ended();
    assert.ok(said.includes("guarded false") && said.includes("succeeded"), said.join(", "));
    await runsAgain();
  });

  it("resumes the task of a process that hangs for too long, whose checkpoint then fails", async () => {
    const child = startChild(work({ dieIn: "capture", signal: "SIGSTOP", maxPausedMs: 1_000 }));
    await child.says("capture");
    try {
      await runsAgain();
    } finally {
      child.process.kill("SIGCONT");
    }
    const said = await child.ended();
    assert.ok(said.includes("failed deadline_exceeded"), said.join(", "));
    await runsAgain();
    await assert.rejects(client.images.get("cp:1"), isNotFound);
  });

  it("gives up when the task is gone with the daemon", async () => {
    const { pid } = await container.task();
    const child = startChild(work({ dieIn: "capture", signal: "SIGSTOP" }));
    await child.says("capture");
    await daemon().kill();
    child.process.kill("SIGKILL");
    await child.ended();
    assert.equal(guardiansOf(child).length, 1);
    const freezer = await findFreezer(pid, `/${client.namespace}/${container.id}`);
    assert.ok(freezer);
    process.kill(pid, "SIGKILL");
    await setKernelFrozen(freezer, false);
    await guardianGone(child);
    await daemon().start();
  });

  it("would stand still with the task in its container: a checkpoint from there is refused before anything is frozen", async () => {
    const { pid } = await container.task();
    const freezer = await findFreezer(pid, `/${client.namespace}/${container.id}`);
    assert.ok(freezer);
    const child = startChild(work({ cgroup: dirname(freezer.path), maxPausedMs: 1_000 }));
    let said: readonly string[] = [];
    const pauses = await seen(client, "/tasks/paused", async () => {
      said = await child.ended();
    });
    assert.ok(said.includes("failed failed_precondition"), said.join(", "));
    assert.deepEqual(pauses, []);
    await runsAgain();
  });

  it("has no say any more when a checkpoint has failed: somebody else's pause stays", async () => {
    const stop = new AbortController();
    const attempt = container.checkpoint("cp:1", [], {
      signal: stop.signal,
      onProgress: ({ phase }) => {
        if (phase === "capture") stop.abort();
      },
    });
    await assert.rejects(attempt);
    await daemon().ctr(["-n", client.namespace, "task", "pause", container.id]);
    await sleep(3_000);
    assert.equal(await taskState(daemon(), client, container.id), "PAUSED");
    await daemon().ctr(["-n", client.namespace, "task", "resume", container.id]);
    await runsAgain();
  });

  it("is not there where it is not wanted, or cannot be; the result says so", async () => {
    const { address } = daemon();
    const plain = await connect({ address, namespace: client.namespace, guardian: false });
    const opaque = await connect({
      transport: new RpcLedger().wrap(unixTransport(address)),
      namespace: client.namespace,
    });
    for (const [other, ref] of [
      [plain, "cp:1"],
      [opaque, "cp:2"],
    ] as const) {
      const { guarded } = await (await other.containers.get(container.id)).checkpoint(ref);
      assert.equal(guarded, false);
      await other.close();
    }
  });

  it("is not needed where this process sees the time pass", async () => {
    await assert.rejects(container.checkpoint("cp:1", [], { maxPausedMs: 1 }), (reason) => {
      assert.ok(isDeadlineExceeded(reason));
      assert.match(reason.message, /paused for more than 1 ms/);
      assert.equal(reason.operation?.taskStatus, "running");
      assert.deepEqual(reason.operation?.leftBehind, []);
      return true;
    });
    await runsAgain();
    await assert.rejects(client.images.get("cp:1"), isNotFound);
  });
});
