import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { NamedCheckpoint } from "../../src/checkpoint/named/named-checkpoint.js";
import { withCheckpointImage, withCheckpointRW, withCheckpointTask } from "../../src/checkpoint/plan.js";
import { Client, type ClientOptions } from "../../src/client/client.js";
import type { NamedCheckpoints } from "../../src/client/named-checkpoints/named-checkpoints.js";
import {
  isAlreadyExists,
  isCheckpointInProgress,
  isContainerdError,
  isFailedPrecondition,
  isInvalidArgument,
  isNotFound,
} from "../../src/errors.js";
import type { Transport } from "../../src/rpc/transport.js";
import { all } from "./content-bed.js";
import { TaskBed, type TaskSubject } from "./task-bed.js";

/** The homes of named checkpoints. */
export const homes = ["images", "directories"] as const;

const badNames = [
  "",
  "c",
  ".hidden",
  "-x",
  "_x",
  "a/b",
  "../evil",
  "/abs",
  "a b",
  "trailing.",
  "a\n",
  "é1",
  "x".repeat(256),
];

/** What the suite runs over: there, others can come in between. */
export interface NamedSubject extends TaskSubject {
  readonly transport: Transport;
}

/** What is owed to those who give checkpoints names, wherever these are kept. */
export function namedSuite(name: string, home: (typeof homes)[number], make: () => Promise<NamedSubject>): void {
  describe(`${name}, kept as ${home},`, () => {
    let subject: NamedSubject;
    const bed = new TaskBed(async () => {
      subject = await make();
      return subject;
    });
    /** A container by a client that lets somebody in before each call. */
    const disturbed = async (
      id: string,
      meanwhile: (rpc: string) => Promise<void>,
      options: Pick<ClientOptions, "maxConcurrent"> = {},
    ) => {
      const { transport, client } = subject;
      const between: Transport = {
        local: transport.local ?? false,
        unary: async (method, ...rest) => {
          await meanwhile(`${method.parent.name}.${method.name}`);
          return transport.unary(method, ...rest);
        },
        stream: (...call) => transport.stream(...call),
      };
      return new Client({ ...options, transport: between, namespace: client.namespace }, false).containers.get(id);
    };
    let at: { readonly checkpointDir?: string } = {};
    const names = async (container: Awaited<ReturnType<TaskBed["container"]>>) =>
      (await all(container.checkpoints.list(at))).map((one) => one.name).sort();

    before(() => bed.begin());
    after(() => bed.end());
    afterEach(() => bed.tidy());
    const fresh = () => {
      at = home === "directories" ? { checkpointDir: `${bed.path()}/checkpoints` } : {};
    };

    it("are made, listed, read, thawed and removed by name", async () => {
      fresh();
      const { container, task, counts } = await bed.counting();
      const { checkpoints } = container;
      assert.deepEqual(await names(container), []);
      const made = await checkpoints.create("one", at);
      assert.equal((await task.status()).status, "running");
      assert.deepEqual(made.leftBehind, []);
      await checkpoints.create("two", { ...at, exit: true });
      await task.wait();
      const frozen = counts.last;
      await task.delete();
      assert.deepEqual(await names(container), ["one", "two"]);
      const { cost: _cost, guarded: _guarded, leftBehind: _left, ...one } = made;
      assert.deepEqual(await checkpoints.get("one", at), one);
      assert.equal(one.containerId, container.id);
      assert.ok(one.bytes > 0 && one.createdAt.getTime() <= Date.now());
      await checkpoints.delete("one", at);
      assert.deepEqual(await names(container), ["two"]);
      const thawed = await container.newTask({ checkpoint: "two", ...at, io: bed.pipes() });
      await thawed.start();
      assert.equal((await thawed.status()).status, "running");
      assert.ok(Number(await bed.output(thawed, ["cat", "/count"])) >= frozen);
      await checkpoints.delete("two", at);
      assert.deepEqual(await names(container), []);
    });

    it("have names by Docker's rule, which is looked at first in every call", async () => {
      fresh();
      // Nothing else could be right with it: the container does not exist.
      const container = await bed.container(["counter"]);
      await container.delete({ snapshot: true });
      for (const bad of badNames) {
        await assert.rejects(container.checkpoints.create(bad, at), isInvalidArgument, bad);
        await assert.rejects(container.checkpoints.get(bad, at), isInvalidArgument, bad);
        await assert.rejects(container.checkpoints.delete(bad, at), isInvalidArgument, bad);
      }
      const living = await bed.container(["counter"]);
      for (const bad of badNames.filter((one) => home === "directories" || !/^a\/b$/.test(one))) {
        await assert.rejects(living.newTask({ checkpoint: bad, ...at }), isInvalidArgument, bad);
      }
      await assert.rejects(container.checkpoints.create("good", at), isNotFound);
      await assert.rejects(container.checkpoints.get("good", at), isNotFound);
      await assert.rejects(container.checkpoints.delete("good", at), isNotFound);
      await assert.rejects(living.newTask({ checkpoint: "good", ...at }), isNotFound);
    });

    it("are of a container that runs", async () => {
      fresh();
      const container = await bed.container(["counter"]);
      const refused = (reason: unknown) =>
        isFailedPrecondition(reason) && reason.message.includes(container.id) && /not running/.test(reason.message);
      await assert.rejects(container.checkpoints.create("none", at), refused);
      const task = await container.newTask({ io: bed.pipes() });
      await assert.rejects(container.checkpoints.create("created", at), refused);
      await task.start();
      await using pause = await task.pause();
      await container.checkpoints.create("paused", at);
      assert.equal((await task.status()).status, "paused");
      await pause[Symbol.asyncDispose]();
      await task.kill("SIGKILL", { all: true });
      await task.wait();
      await assert.rejects(container.checkpoints.create("stopped", at), refused);
      assert.deepEqual(await names(container), ["paused"]);
    });

    it("have a name of their own: one that is taken is refused before anything is frozen", async () => {
      fresh();
      const { container, task } = await bed.counting();
      await container.checkpoints.create("taken", at);
      const phases: string[] = [];
      const onProgress = ({ phase }: { readonly phase: string }) => void phases.push(phase);
      await assert.rejects(container.checkpoints.create("taken", { ...at, exit: true, onProgress }), isAlreadyExists);
      assert.equal((await task.status()).status, "running");
      assert.ok(!phases.includes("pause"), phases.join(" "));
    });

    it("are refused a name before anything is frozen, also when it was taken while they waited for their turn", async () => {
      fresh();
      const { container } = await bed.counting();
      const { checkpoints } = await disturbed(container.id, async () => {}, { maxConcurrent: 1 });
      const phases: string[][] = [[], []];
      const made = await Promise.allSettled(
        phases.map((seen) => {
          const onProgress = ({ phase }: { readonly phase: string }) => void seen.push(phase);
          return checkpoints.create("same", { ...at, onProgress });
        }),
      );
      const loser = made.findIndex(({ status }) => status === "rejected");
      const refused = made[loser];
      assert.ok(refused?.status === "rejected" && isAlreadyExists(refused.reason));
      assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
      assert.ok(!phases[loser]?.includes("pause"), phases[loser]?.join(" "));
    });

    it("are not refused for a task that another one is just pausing: what is told is that it is under way", async () => {
      fresh();
      const { container, task } = await bed.counting();
      const { checkpoints } = container;
      const others: Promise<unknown>[] = [];
      for (let round = 0; round < 5; round++) {
        const onProgress = ({ phase }: { readonly phase: string }) => {
          if (phase !== "pause") return;
          for (let nth = 0; nth < 3; nth++) {
            const other = sleep(5 * nth).then(() => checkpoints.create(`other-${round}-${nth}`, at));
            others.push(other.catch((reason: unknown) => assert.ok(isCheckpointInProgress(reason), String(reason))));
          }
        };
        await checkpoints.create(`first-${round}`, { ...at, onProgress });
        await Promise.all(others.splice(0));
      }
      assert.equal((await task.status()).status, "running");
    });

    it("can do without the base image, when its name is gone or another's by now", async () => {
      if (home === "directories") return;
      fresh();
      const { container } = await bed.counting();
      const { image } = await container.info();
      const { target } = await bed.client.images.get(image);
      await using lease = await bed.client.leases.create();
      await bed.client.leases.addResource(lease, { type: "content", id: target.digest });
      try {
        await bed.client.images.delete(image);
        const hasHint = (reason: unknown) =>
          isContainerdError(reason) && /Name the parts.*without withCheckpointImage/.test(reason.hint ?? "");
        await assert.rejects(container.checkpoints.create("gone"), hasHint);
        const gone = await container.checkpoints.create("gone", { options: [withCheckpointTask()] });
        assert.deepEqual([gone.image.descriptor, gone.image.name], [undefined, image]);
        assert.ok(gone.checkpoint?.task && gone.checkpoint.rw && gone.checkpoint.spec);
        await bed.client.images.create(image, gone.checkpoint.target);
        await assert.rejects(container.checkpoints.create("moved"), hasHint);
        const moved = await container.checkpoints.create("moved", { options: [withCheckpointRW()] });
        assert.ok(moved.checkpoint?.task);
      } finally {
        await bed.client.images.delete(image).catch(absent);
        await bed.client.images.create(image, target);
      }
      const named = await container.checkpoints.create("named", { options: [withCheckpointImage()] });
      assert.equal(named.image.descriptor?.digest, target.digest);
    });

    it("are called off until the moment they are there, and the task runs on", async () => {
      fresh();
      const { container, task, counts } = await bed.counting();
      for (const last of ["capture", "write", "register"]) {
        const stop = new AbortController();
        const reason = new Error(`called off at ${last}`);
        const onProgress = ({ phase }: { readonly phase: string }) => {
          if (phase === last) stop.abort(reason);
        };
        const call = { ...at, exit: true, onProgress, signal: stop.signal };
        await assert.rejects(container.checkpoints.create("called-off", call), reason);
        assert.equal((await task.status()).status, "running");
        await counts.beyond(counts.last);
        assert.deepEqual(await names(container), []);
      }
      await container.checkpoints.create("called-off", at);
    });

    it("are told of on containerd's bus", async () => {
      fresh();
      const { container } = await bed.counting();
      const stop = new AbortController();
      const heard = (async () => {
        const topics = ["/tasks/checkpointed"] as const;
        for await (const { payload } of bed.client.events(topics, { signal: stop.signal })) return payload;
      })();
      heard.catch(() => {});
      let over = false;
      void heard.finally(() => {
        over = true;
      });
      // The daemon does not say when it listens.
      for (let tries = 1; !over && tries < 20; tries++) {
        await container.checkpoints.create(`try-${tries}`, at);
        await sleep(50);
      }
      const payload = await heard;
      stop.abort();
      assert.equal(payload?.containerId, container.id);
      assert.match(payload.checkpoint, /^try-\d+$/);
    });

    it("are thinned out by rules, with a reason for each", async () => {
      fresh();
      const { container } = await bed.counting();
      const { checkpoints } = container;
      const made: NamedCheckpoint[] = [];
      for (const one of ["c1", "c2", "c3", "c4"]) made.push(await checkpoints.create(one, at));
      await checkpoints.create("old", { ...at, expiresAt: new Date(Date.now() - 1000) });
      const dry = await checkpoints.prune({ ...at, keepLast: 3, dryRun: true });
      assert.deepEqual(
        dry.gone.map(({ checkpoint }) => checkpoint.name),
        ["c1", "old"].filter((one) => one !== "old" || dry.gone.length === 2),
      );
      assert.match(dry.gone[0]?.why ?? "", /newest 3/);
      assert.equal((await names(container)).filter((one) => one !== "old").length, 4);
      await checkpoints.prune({ ...at, keepLast: 3 });
      assert.deepEqual(await names(container), ["c2", "c3", "c4"]);
      const room = made.slice(2).reduce((total, { bytes }) => total + bytes, 0);
      const { gone } = await checkpoints.prune({ ...at, maxBytes: room });
      assert.match(gone[0]?.why ?? "", /bytes/);
      assert.deepEqual(await names(container), ["c3", "c4"]);
      assert.deepEqual((await checkpoints.prune({ ...at, keepWithinMs: 3_600_000 })).gone, []);
      await checkpoints.prune({ ...at, keepLast: 0 });
      assert.deepEqual(await names(container), []);
    });

    it("are made though somebody has removed them by the time it is told", async () => {
      fresh();
      const { container } = await bed.counting();
      let removed: Promise<void> | undefined;
      const onProgress = ({ phase }: { readonly phase: string }) => {
        if (phase === "done") removed = container.checkpoints.delete("brief", at);
      };
      // The lease goes after that.
      const { checkpoints } = await disturbed(container.id, async () => removed);
      const made = await checkpoints.create("brief", { ...at, onProgress });
      assert.equal(made.name, "brief");
      assert.deepEqual(await names(container), []);
    });

    it("go by rules as they were judged: one that was replaced meanwhile stays", async () => {
      fresh();
      const { container } = await bed.counting();
      await container.checkpoints.create("c1", at);
      await container.checkpoints.create("nightly", at);
      let replaced: NamedCheckpoint | undefined;
      const { checkpoints } = await disturbed(container.id, async (rpc) => {
        // With these the removal of the oldest begins.
        if (replaced !== undefined || !["Images.Delete", "Leases.Create"].includes(rpc)) return;
        replaced = await container.checkpoints.get("nightly", at);
        await container.checkpoints.delete("nightly", at);
        replaced = await container.checkpoints.create("nightly", at);
      });
      const { gone, kept } = await checkpoints.prune({ ...at, keepLast: 0 });
      const said = (some: readonly NamedCheckpoint[]) => some.map((one) => [one.name, one.createdAt]);
      assert.deepEqual(
        gone.map(({ checkpoint }) => checkpoint.name),
        ["c1"],
      );
      assert.deepEqual(said(kept), [["nightly", replaced?.createdAt]]);
      assert.deepEqual(await names(container), ["nightly"]);
    });

    it("have one winner when two are made under one name, and lists are whole meanwhile", async () => {
      fresh();
      const { container, task } = await bed.counting();
      const { checkpoints } = container;
      let over = false;
      const seen = (async () => {
        while (!over) {
          for await (const one of checkpoints.list(at)) await checkpoints.get(one.name, at).catch(absent);
          await sleep(5);
        }
      })();
      try {
        await raceForNames(checkpoints);
      } finally {
        over = true;
        await seen;
      }
      assert.equal((await task.status()).status, "running");
    });

    const raceForNames = async (checkpoints: NamedCheckpoints) => {
      for (const one of ["r1", "r2"]) {
        const settled = await Promise.allSettled([1, 2, 3].map(() => checkpoints.create(one, at)));
        assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1);
        for (const result of settled) {
          if (result.status === "fulfilled") continue;
          assert.ok(isAlreadyExists(result.reason) || isCheckpointInProgress(result.reason), String(result.reason));
        }
        const [made, removed] = await Promise.allSettled([
          checkpoints.create(`${one}b`, at),
          checkpoints.delete(one, at),
        ]);
        assert.equal(made.status, "fulfilled");
        assert.equal(removed.status, "fulfilled");
        const both = await Promise.allSettled([checkpoints.create(one, at), checkpoints.delete(one, at)]);
        if (both[1].status === "rejected") assert.ok(isNotFound(both[1].reason));
        assert.equal(both[0].status, "fulfilled");
        const there = both[1].status === "rejected";
        assert.equal(
          (await all(checkpoints.list(at))).some(({ name }) => name === one),
          there,
        );
        const again = await Promise.allSettled([checkpoints.delete(`${one}b`, at), checkpoints.delete(`${one}b`, at)]);
        assert.ok(again.some(({ status }) => status === "fulfilled"));
        for (const two of again) if (two.status === "rejected") assert.ok(isNotFound(two.reason));
      }
    };
  });
}

function absent(reason: unknown): void {
  if (!isNotFound(reason)) throw reason;
}
