import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../src/client/client.js";
import type { Container } from "../../src/client/container.js";
import type { NewTaskOptions } from "../../src/client/new-task.js";
import { streamIO } from "../../src/client/stream-io.js";
import type { Task } from "../../src/client/task.js";
import type { TaskIO } from "../../src/client/task-io.js";
import { isNotFound } from "../../src/errors.js";
import type { SpecOption } from "../../src/oci/runtime-spec.js";
import type { TarFile } from "../../src/tar/tar.js";
import { all } from "./content-bed.js";

/** What the suites of tasks run over: a namespace of a daemon. */
export interface TaskSubject {
  readonly client: Client;
  /**
   * An image with the programs `cat`, `echo`, `false`, `sleep`, `true` and {@link taskPrograms}, under whatever form the
   * daemon can run.
   */
  readonly image: string;
  /** A directory that this process and the daemon see under the same path; it goes with the subject. */
  readonly directory: string;
  /** Where named pipes are made; the client's default when absent. */
  readonly pipes?: string | undefined;
  /** Whether tasks are run by processes that end with them. */
  readonly hasShims?: boolean | undefined;
  /** Puts everything away. */
  end(): Promise<void>;
}

/**
 * What the programs of the suites do, for a shell: `counter` does what the built-in one does, `seven` ends with 7, `waiter` never
 * ends, `asker` answers a line and ends with 5.
 */
export const taskPrograms: readonly TarFile[] = Object.entries({
  // Its memory is ahead of the file, and the file of the output, by one at most.
  counter: "i=0\nwhile :; do i=$((i+1)); echo $i > /count.new; mv /count.new /count; echo $i; sleep 0.05; done",
  seven: "exit 7",
  // A sleep that criu interrupts is over; and a shell that waits for a child may not be stopped at all.
  waiter: "mkfifo /never\nexec 3<>/never\nwhile :; do read x <&3; done",
  asker: "read a\necho z$a'z'\nexit 5",
}).map(([name, script]) => ({ name: `bin/${name}`, body: Buffer.from(`#!/bin/sh\n${script}\n`), mode: 0o755 }));

/** Containers for cases, which go after each. */
export class TaskBed {
  readonly #make: () => Promise<TaskSubject>;
  #subject: TaskSubject | undefined;
  #containers: Container[] = [];
  #serial = 0;

  constructor(make: () => Promise<TaskSubject>) {
    this.#make = make;
  }

  async begin(): Promise<void> {
    this.#subject = await this.#make();
  }

  async end(): Promise<void> {
    await this.#subject?.end();
  }

  get subject(): TaskSubject {
    if (this.#subject === undefined) throw new Error("the suite has not begun");
    return this.#subject;
  }

  get client(): Client {
    return this.subject.client;
  }

  /** An id nobody else has. */
  next(): string {
    return `c${++this.#serial}`;
  }

  /** A path nobody else has. */
  path(): string {
    return `${this.subject.directory}/${++this.#serial}`;
  }

  pipes(streams: Parameters<typeof streamIO>[0] = {}): TaskIO {
    return streamIO({ ...streams, directory: this.subject.pipes });
  }

  /** Lets it go after the case. */
  keep(container: Container): Container {
    this.#containers.push(container);
    return container;
  }

  async container(args: readonly string[], spec: readonly SpecOption[] = []): Promise<Container> {
    return this.keep(await this.client.containers.create(this.next(), { image: this.subject.image, args, spec }));
  }

  async started(args: readonly string[], options: NewTaskOptions = {}): Promise<{ container: Container; task: Task }> {
    const container = await this.container(args);
    const task = await container.newTask(options);
    await task.start();
    return { container, task };
  }

  /** A counter that counts, and what it says. */
  async counting(): Promise<{ container: Container; task: Task; counts: Counts }> {
    const { container, task } = await this.started(["counter"], { io: this.pipes() });
    const counts = new Counts(task);
    await counts.beyond(2);
    return { container, task, counts };
  }

  /** A task from a checkpoint, and what it counts. */
  async thawed(container: Container, checkpoint: string): Promise<{ task: Task; counts: Counts }> {
    const task = await container.newTask({ checkpoint, io: this.pipes() });
    const counts = new Counts(task);
    await task.start();
    return { task, counts };
  }

  /** What a program prints beside a task that runs. */
  async output(task: Task, args: readonly string[]): Promise<string> {
    const process = await task.exec(this.next(), args, { io: this.pipes() });
    assert.ok(process.io.stdout && process.io.stderr);
    const printed = Promise.all([text(process.io.stdout), text(process.io.stderr)]);
    await process.start();
    await process.wait();
    await process.delete();
    return (await printed)[0];
  }

  async tidy(): Promise<void> {
    for (const container of this.#containers.splice(0)) {
      const task = await container.task().catch((reason: unknown) => {
        if (!isNotFound(reason)) throw reason;
      });
      await task?.delete({ force: true });
      await container.delete({ snapshot: true }).catch((reason: unknown) => {
        if (!isNotFound(reason)) throw reason;
      });
    }
    for (const { name } of await all(this.client.images.list())) {
      if (name !== this.subject.image) await this.client.images.delete(name, { sync: true });
    }
  }
}

/** The numbers a counter says on its output. */
export class Counts {
  readonly numbers: number[] = [];
  #rest = "";

  constructor({ io }: Task) {
    assert.ok(io.stdout && io.stderr);
    io.stderr.resume();
    io.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (this.#rest + chunk).split("\n");
      this.#rest = lines.pop() ?? "";
      this.numbers.push(...lines.map(Number));
    });
  }

  get last(): number {
    return this.numbers.at(-1) ?? 0;
  }

  /** Waits for a number beyond this one. */
  async beyond(from: number): Promise<number> {
    for (let tries = 0; tries < 300; tries++) {
      if (this.last > from) return this.last;
      await sleep(20);
    }
    throw new Error(`it does not count beyond ${from}: ${this.numbers.join(" ")}`);
  }
}
