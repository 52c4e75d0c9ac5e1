import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { Client } from "../../src/client/client.js";
import { type IOContext, nullIO, type OpenIO } from "../../src/client/task-io.js";
import { isAlreadyExists, isDeadlineExceeded, isNotFound, isUnavailable } from "../../src/errors.js";
import type { Transport } from "../../src/rpc/transport.js";
import { TaskBed } from "../suites/task-bed.js";
import { type ListeningSubject, simulatedSubject } from "./task-beds.js";

/** A way on which something happens once a call of that name was carried out, before its answer is told. */
function afterCall(inner: Transport, name: string, act: () => Promise<unknown>): Transport {
  return {
    local: inner.local ?? false,
    unary: async (method, ...rest) => {
      const reply = await inner.unary(method, ...rest);
      if (method.name === name) await act();
      return reply;
    },
    stream: (...call) => inner.stream(...call),
  };
}

describe("further processes", { skip: process.platform === "win32" }, () => {
  const bed = new TaskBed(() => simulatedSubject("in memory"));
  before(() => bed.begin());
  afterEach(() => bed.tidy());
  after(() => bed.end());

  const throughWhich = async (id: string, act: () => Promise<unknown>) => {
    const { transport } = bed.subject as ListeningSubject;
    const client = new Client({ transport: afterCall(transport, "Exec", act), namespace: bed.client.namespace }, false);
    return (await client.containers.get(id)).task();
  };

  it("whose answer is lost are removed, so that the same call works at once", async () => {
    const { container, task } = await bed.started(["sleep", "1000"]);
    const lossy = await throughWhich(container.id, async () => {
      throw new ConnectError("the connection went", Code.Unavailable);
    });
    let directory = "";
    const pipes = bed.pipes();
    const io = {
      open: async (context: IOContext): Promise<OpenIO> => {
        const opened = await pipes.open(context);
        directory = dirname(opened.request.stdout);
        return opened;
      },
    };
    for (const options of [{}, { io }]) {
      await assert.rejects(lossy.exec("e", ["true"], options), isUnavailable);
      const process = await task.exec("e", ["seven"], options);
      await process.start();
      assert.equal((await process.wait()).exitStatus, 7);
      await process.delete();
    }
    assert.equal(existsSync(directory), false);
  });

  it("whose caller gave up are removed when the daemon has answered", async () => {
    const { container, task } = await bed.started(["sleep", "1000"]);
    const slow = await throughWhich(container.id, () => sleep(200));
    const why = new Error("enough");
    const stop = new AbortController();
    setTimeout(() => stop.abort(why), 50);
    await assert.rejects(slow.exec("e", ["true"], { signal: stop.signal }), (reason) => reason === why);
    await (await task.exec("e", ["true"])).delete();
    await assert.rejects(slow.exec("e", ["true"], { timeoutMs: 50 }), isDeadlineExceeded);
    await (await task.exec("e", ["true"])).delete();
  });

  it("of somebody else are left alone", async () => {
    const { container, task } = await bed.started(["sleep", "1000"]);
    const theirs = await task.exec("e", ["seven"]);
    const lossy = await throughWhich(container.id, async () => {});
    await assert.rejects(lossy.exec("e", ["true"]), isAlreadyExists);
    assert.equal((await theirs.status()).status, "created");
  });

  it("and tasks that somebody else has removed have their streams closed by the delete that finds nothing", async () => {
    let closed = 0;
    const io = {
      open: async (context: IOContext): Promise<OpenIO> => ({
        ...(await nullIO().open(context)),
        close: async () => {
          closed++;
        },
      }),
    };
    const { container, task } = await bed.started(["sleep", "1000"], { io });
    const process = await task.exec("e", ["true"], { io });
    await assert.rejects(task.delete());
    assert.equal(closed, 0);
    await (await container.task()).delete({ force: true });
    await assert.rejects(process.delete(), isNotFound);
    assert.equal(closed, 1);
    await assert.rejects(task.delete(), isNotFound);
    assert.equal(closed, 2);
  });

  it("are removed by force although they end by themselves meanwhile", async () => {
    const { task } = await bed.started(["sleep", "1000"]);
    const process = await task.exec("e", ["waiter"]);
    await process.start();
    const kill = process.kill.bind(process);
    process.kill = async (...how) => {
      await kill(...how);
      await process.wait();
      await kill(...how);
    };
    assert.equal((await process.delete({ force: true })).exitStatus, 137);
  });
});
