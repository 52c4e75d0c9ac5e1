import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { Containers } from "../../src/api/services/containers/v1/containers_pb.js";
import { type CreateTaskRequest, Tasks } from "../../src/api/services/tasks/v1/tasks_pb.js";
import { OptionsSchema } from "../../src/api/types/runc/options/oci_pb.js";
import { Status } from "../../src/api/types/task/task_pb.js";
import { Client } from "../../src/client/client.js";
import type { Container } from "../../src/client/container.js";
import { packSpec } from "../../src/client/spec-any.js";
import type { Task } from "../../src/client/task.js";
import { isAlreadyExists, isFailedPrecondition, UnavailableError } from "../../src/errors.js";
import { packAny, unpackAny } from "../../src/typeurl.js";

/** What a fake daemon knows of one task, and what it was asked. */
class Fake {
  status: Status = Status.RUNNING;
  exists = true;
  readonly asked: string[] = [];
  made: CreateTaskRequest | undefined;
  readonly container: Promise<Container>;

  constructor(
    tasks: Partial<ServiceImpl<typeof Tasks>>,
    options?: Parameters<typeof packAny<typeof OptionsSchema>>[1],
  ) {
    const note =
      <I, O>(name: string, answer: (input: I) => O) =>
      (input: I) => {
        this.asked.push(name);
        return answer(input);
      };
    const empty = () => create(EmptySchema);
    const transport = createRouterTransport(({ service }) => {
      service(Containers, {
        get: ({ id }) => ({
          container: {
            id,
            runtime: {
              name: "io.containerd.runc.v2",
              ...(options === undefined ? {} : { options: packAny(OptionsSchema, options) }),
            },
            spec: packSpec({ ociVersion: "1.0.2", process: { user: { uid: 0, gid: 0 }, cwd: "/" } }),
          },
        }),
      });
      service(Tasks, {
        get: () => {
          this.asked.push("get");
          if (!this.exists) throw new ConnectError("task c not found", Code.NotFound);
          return { process: { containerId: "c", id: "c", status: this.status } };
        },
        pause: note("pause", () => {
          this.status = Status.PAUSED;
          return empty();
        }),
        resume: note("resume", () => {
          this.status = Status.RUNNING;
          return empty();
        }),
        delete: note("delete", () => {
          this.exists = false;
          return {};
        }),
        create: (request) => {
          this.made = request;
          return { containerId: "c", pid: 0 };
        },
        ...tasks,
      });
    });
    this.container = new Client({ transport, namespace: "n" }).containers.get("c");
  }

  async task(): Promise<Task> {
    return (await this.container).task();
  }
}

const unavailable = () => {
  throw new ConnectError("gone", Code.Unavailable);
};

describe("a pause", () => {
  it("ends once, when it is disposed", async () => {
    const fake = new Fake({});
    const pause = await (await fake.task()).pause();
    assert.equal(fake.status, Status.PAUSED);
    await Promise.all([pause[Symbol.asyncDispose](), pause[Symbol.asyncDispose]()]);
    assert.equal(fake.status, Status.RUNNING);
    assert.equal(fake.asked.filter((name) => name === "resume").length, 1);
  });

  it("ends although the caller's signal is aborted", async () => {
    const fake = new Fake({});
    const abort = new AbortController();
    const pause = await (await fake.task()).pause({ signal: abort.signal });
    abort.abort();
    await pause[Symbol.asyncDispose]();
    assert.equal(fake.status, Status.RUNNING);
  });

  it("does not begin when the signal is aborted, and ends when it aborts meanwhile", async () => {
    const reason = new Error("enough");
    const abort = new AbortController();
    const fake: Fake = new Fake({
      pause: () => {
        fake.status = Status.PAUSED;
        abort.abort(reason);
        return create(EmptySchema);
      },
    });
    const task = await fake.task();
    await assert.rejects(task.pause({ signal: AbortSignal.abort(reason) }), (error) => error === reason);
    assert.equal(fake.status, Status.RUNNING);
    await assert.rejects(task.pause({ signal: abort.signal }), (error) => error === reason);
    assert.equal(fake.status, Status.RUNNING);
  });

  it("ends when the answer to its beginning was lost, however often the daemon is away", async () => {
    let away = 3;
    const fake: Fake = new Fake({
      pause: () => {
        fake.status = Status.PAUSED;
        return unavailable();
      },
      resume: () => {
        if (away-- > 0) return unavailable();
        fake.status = Status.RUNNING;
        return create(EmptySchema);
      },
    });
    await assert.rejects((await fake.task()).pause(), UnavailableError);
    assert.equal(fake.status, Status.RUNNING);
  });

  it("of somebody else is left alone", async () => {
    const fake = new Fake({
      pause: () => {
        throw new ConnectError("cannot pause a paused container", Code.Unknown);
      },
    });
    fake.status = Status.PAUSED;
    await assert.rejects((await fake.task()).pause(), isFailedPrecondition);
    assert.equal(fake.status, Status.PAUSED);
    assert.ok(!fake.asked.includes("resume"));
  });

  it("has ended well when the task runs, or is gone", async () => {
    const fake = new Fake({
      resume: () => {
        throw new ConnectError("cannot resume a stopped container", Code.Unknown);
      },
    });
    const first = await (await fake.task()).pause();
    fake.status = Status.STOPPED;
    await first[Symbol.asyncDispose]();
    const second = await (await fake.task()).pause();
    fake.exists = false;
    await second[Symbol.asyncDispose]();
  });
});

describe("a task from a checkpoint", () => {
  const restore = { runtimeOptions: { criuImagePath: "/images" } };

  it("is removed when it cannot be thawed", async () => {
    const fake: Fake = new Fake({
      start: () => {
        throw new ConnectError("OCI runtime restore failed: criu failed: type RESTORE errno 0", Code.Unknown);
      },
    });
    const task = await (await fake.container).newTask(restore);
    await assert.rejects(task.start(), isFailedPrecondition);
    assert.ok(!fake.exists);
  });

  it("is removed when the caller gave up, even while the daemon still thaws it", async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    let tries = 0;
    const killed: number[] = [];
    const fake: Fake = new Fake({
      start: async () => {
        abort.abort(reason);
        return new Promise(() => {});
      },
      delete: () => {
        if (tries++ < 2) throw new ConnectError("cannot delete a running process", Code.Unknown);
        fake.exists = false;
        return {};
      },
      kill: ({ signal }) => {
        killed.push(signal);
        return create(EmptySchema);
      },
    });
    const task = await (await fake.container).newTask(restore);
    await assert.rejects(task.start({ signal: abort.signal }), (error) => error === reason);
    assert.ok(!fake.exists);
    assert.deepEqual(killed, [9, 9]);
  });

  it("keeps the container's runtime options beside its own", async () => {
    const own = create(OptionsSchema, { binaryName: "/usr/bin/crun", root: "/r", systemdCgroup: true });
    const fake = new Fake({}, own);
    await (await fake.container).newTask({ runtimeOptions: { criuImagePath: "/images", noNewKeyring: true } });
    const sent = fake.made?.options && unpackAny(fake.made.options, OptionsSchema);
    assert.equal(fake.made?.options?.typeUrl, "containerd.runc.v1.Options");
    const { binaryName, root, systemdCgroup, criuImagePath, noNewKeyring } = sent ?? create(OptionsSchema);
    assert.deepEqual(
      { binaryName, root, systemdCgroup, criuImagePath, noNewKeyring },
      { binaryName: "/usr/bin/crun", root: "/r", systemdCgroup: true, criuImagePath: "/images", noNewKeyring: true },
    );
    await (await fake.container).newTask();
    assert.equal(fake.made?.options, undefined);
  });
});

describe("making a task", () => {
  it("takes back what it may have made when the answer was lost", async () => {
    const fake: Fake = new Fake({ create: unavailable });
    fake.status = Status.CREATED;
    await assert.rejects((await fake.container).newTask(), UnavailableError);
    assert.ok(!fake.exists);
  });

  it("leaves alone what is another's, or runs", async () => {
    const taken = new Fake({
      create: () => {
        throw new ConnectError("task c: already exists", Code.AlreadyExists);
      },
    });
    taken.status = Status.CREATED;
    await assert.rejects((await taken.container).newTask(), isAlreadyExists);
    assert.ok(taken.exists);
    const running = new Fake({ create: unavailable });
    await assert.rejects((await running.container).newTask(), UnavailableError);
    assert.ok(running.exists);
  });
});
