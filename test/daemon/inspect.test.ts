import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { busyboxImage } from "../../lab/busybox-image.js";
import {
  type CheckpointInspection,
  type DumpedFile,
  inspectArchive,
  inspectCheckpoint,
} from "../../src/checkpoint/index.js";
import { exportArchive } from "../../src/content/index.js";
import type { Client } from "../../src/index.js";
import { ALL_KINDS_OPEN, perlLayer } from "../fixtures/all-kinds-open.js";
import { clientFor } from "./client.js";
import { discard, upperOf } from "./counter.js";
import { describeOnEachDaemon } from "./releases.js";

const PERL = "docker.io/library/perl-test:1";

describeOnEachDaemon("what a checkpoint tells about its container", (daemon) => {
  let client: Client;
  let found: CheckpointInspection;
  before(async () => {
    client = await clientFor(daemon(), "inspect");
    await busyboxImage(client, PERL, { secondLayer: await perlLayer() });
    const container = await client.containers.create("open", {
      image: PERL,
      args: ["env", "PLANTED=a=b", ...ALL_KINDS_OPEN],
    });
    await (await container.newTask()).start();
    const ready = join(await upperOf(client, container), "ready");
    for (let tries = 0; !existsSync(ready); tries += 1) {
      assert.ok(tries < 200, "it did not open all");
      await sleep(50);
    }
    const { target } = await container.checkpoint("open:1");
    await discard(container);
    found = await inspectCheckpoint(client.content, target);
    const archived = await inspectArchive(() =>
      exportArchive(client.content, [{ name: "example.org/open:1", target }]),
    );
    assert.deepEqual(archived, found);
  });
  after(() => client.close());

  const one = (type: string, matches: (file: DumpedFile) => boolean = () => true): DumpedFile => {
    const files = found.processes[0]?.files.filter((file) => file.type === type && matches(file)) ?? [];
    assert.equal(files.length, 1, `${type}: ${JSON.stringify(files)}`);
    return files[0] as DumpedFile;
  };

  it("is who it was and where it came from", () => {
    assert.equal(found.containerId, "open");
    assert.equal(found.origin.engine, "containerd");
    assert.equal(found.image.name, PERL);
    assert.ok(found.createdAt && Date.now() - found.createdAt.getTime() < 300_000);
    assert.ok(found.sizes.checkpoint > found.sizes.memoryPages && found.sizes.memoryPages > 100_000);
    assert.ok(found.mounts.some(({ destination }) => destination === "/proc"));
    assert.ok(found.dumpedMounts.some(({ filesystem }) => filesystem === "proc"));
  });

  it("is the processes with their arguments and environment", () => {
    const [first] = found.processes;
    assert.equal(found.processes.length, 1);
    assert.equal(first?.pid, 1);
    assert.equal(first?.command, "renamed");
    assert.equal(first?.state, "alive");
    assert.equal(first?.executable, "/usr/bin/perl");
    assert.equal(first?.sharedMemoryBytes, 2 ** 20);
    const [child] = first?.children ?? [];
    assert.deepEqual(child?.args, ["sleep", "1000"]);
    assert.ok(child?.env?.includes("PLANTED=a=b"));
    assert.deepEqual(child?.threads, [{ tid: child?.pid ?? 0, command: "sleep" }]);
  });

  it("is what they had open, of all kinds", () => {
    assert.equal(one("REG", ({ path }) => path === "/a file").name, undefined);
    assert.equal(one("REG", ({ fd }) => fd === "cwd").path, "/");
    assert.equal(one("FIFO").name, "/fifo");
    assert.equal(one("MEMFD").name, "shared thing");
    const pipes = found.processes[0]?.files.filter(({ type, fd }) => type === "PIPE" && Number(fd) > 2) ?? [];
    assert.equal(pipes.length, 2);
    assert.equal(pipes[0]?.path, pipes[1]?.path);
    for (const type of ["EVENTFD", "SIGNALFD", "TIMERFD", "EVENTPOLL", "INOTIFY"]) {
      assert.match(one(type).path, new RegExp(`^${type}\\.\\d+$`));
    }
  });

  it("is their sockets, of all families", () => {
    const listening = (port: number) => one("INETSK", ({ socket }) => socket?.source?.port === port).socket;
    const { family, type, protocol, state, source } = listening(4040) ?? {};
    assert.deepEqual([family, type, protocol, state], ["IPV4", "STREAM", "TCP", "LISTEN"]);
    assert.deepEqual(source, { address: "127.0.0.1", port: 4040 });
    const six = listening(4041);
    assert.deepEqual([six?.family, six?.protocol, six?.source?.address], ["IPV6", "TCP", "::1"]);
    const udp = listening(5050);
    assert.deepEqual([udp?.family, udp?.type, udp?.protocol], ["IPV4", "DGRAM", "UDP"]);
    assert.equal(one("UNIXSK", ({ socket }) => socket?.path === "/socket\0").socket?.state, "LISTEN");
    assert.equal(one("UNIXSK", ({ socket }) => socket?.path?.startsWith("\0hidden") ?? false).socket?.type, "DGRAM");
    const pair = found.processes[0]?.files.filter(({ type: kind, socket }) => kind === "UNIXSK" && socket?.path === "");
    assert.equal(pair?.length, 2);
    const netlink = one("NETLINKSK").socket;
    assert.deepEqual([netlink?.family, netlink?.protocol], ["NETLINK", "ROUTE"]);
    assert.ok((netlink?.sendBuffer ?? 0) > 0);
  });
});
