import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { describe, it } from "node:test";
import { runCommand } from "../../lab/command.js";
import { isAbandoned, operationLabels, operationOf } from "../../src/client/recovery/operation-record.js";
import { fateOf, type Owner, operationsHere, ownOwner, parseOwner } from "../../src/client/recovery/owner.js";

const OWNER = new URL("../../src/client/recovery/owner.js", import.meta.url).href;
const SAY = `
  const { readFileSync, readlinkSync } = require("node:fs");
  const stat = readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ");
  const pidNamespace = readlinkSync("/proc/self/ns/pid");
  console.log(JSON.stringify({ pid: process.pid, startTicks: stat[19], pidNamespace }));
  process.stdin.resume();
`;
const notRoot = process.getuid?.() !== 0 && "only root can be another user";
const seesAll = process.platform === "linux" && readlinkSync("/proc/self/ns/pid") === "pid:[4026531836]";

describe("the owner of an operation", { skip: process.platform !== "linux" && "there is no /proc" }, () => {
  const other = (changes: Partial<Owner>): Owner => ({ ...ownOwner(), instance: "another", ...changes });

  it("is this process, for as long as the operation is under way", () => {
    operationsHere.add("one");
    assert.equal(fateOf(ownOwner(), "one"), "alive");
    operationsHere.delete("one");
    assert.equal(fateOf(ownOwner(), "one"), "dead");
  });

  it("may be another copy of the library in this process", () => {
    assert.equal(fateOf(other({}), "one"), "alive");
  });

  it("is dead when its process id was given to another process, or to none", async () => {
    assert.equal(fateOf(other({ startTicks: "1" }), "one"), "dead");
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    assert.equal(fateOf(other({ pid: child.pid ?? 0 }), "one"), "dead");
  });

  it("is unknown when processes of others are hidden, and dead when there is none of that id", {
    skip: notRoot,
  }, async () => {
    const program = `
      import { fateOf, ownOwner } from ${JSON.stringify(OWNER)};
      ownOwner();
      process.setgroups([]);
      process.setgid(65534);
      process.setuid(65534);
      for (const owner of JSON.parse(process.argv[1])) console.log(fateOf(owner, "one"));
    `;
    const ended = spawn(process.execPath, ["-e", ""]);
    await once(ended, "exit");
    const owners = JSON.stringify([other({}), other({ pid: ended.pid ?? 0 })]);
    const hidden = `mount -t proc -o hidepid=2 proc /proc && exec "$@"`;
    const { stdout } = await runCommand("unshare", [
      ...["--mount", "sh", "-c", hidden, "sh"],
      ...[process.execPath, "--input-type=module", "--eval", program, owners],
    ]);
    assert.deepEqual(stdout.trim().split("\n"), ["unknown", "dead"]);
  });

  it("is dead when this machine was started since, and unknown on another one", () => {
    const { host } = ownOwner();
    if (host.includes(" ")) assert.equal(fateOf(other({ bootId: "before" }), "one"), "dead");
    assert.equal(fateOf(other({ bootId: "before", host: "elsewhere 1234" }), "one"), "unknown");
    assert.equal(fateOf(other({ bootId: "before", host: "localhost" }), "one"), "unknown");
  });

  it("is seen in a container of this machine, and is dead when that is gone", { skip: notRoot }, async () => {
    const started = 'exec unshare --pid --fork --mount-proc --kill-child "$@"';
    const container = spawn("sh", ["-c", started, "sh", process.execPath, "-e", SAY], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = once(container, "exit");
    const [said] = (await once(container.stdout, "data")) as [Buffer];
    const inside = other(JSON.parse(String(said)) as Partial<Owner>);
    try {
      assert.equal(inside.pid, 1);
      assert.equal(fateOf(inside, "one"), "alive");
      assert.equal(fateOf({ ...inside, startTicks: "1" }, "one"), "dead");
      assert.equal(fateOf({ ...inside, pid: 2 }, "one"), "dead");
    } finally {
      container.stdin.end();
      await ended;
    }
    assert.equal(fateOf(inside, "one"), seesAll ? "dead" : "unknown");
  });

  it("is unknown outside of a container, and where there is no /proc", { skip: notRoot }, async () => {
    const program = `
      import { fateOf } from ${JSON.stringify(OWNER)};
      console.log(fateOf(JSON.parse(process.argv[1]), "one"));
    `;
    const { stdout } = await runCommand("unshare", [
      ...["--pid", "--fork", "--mount-proc", process.execPath, "--input-type=module", "--eval", program],
      JSON.stringify(other({})),
    ]);
    assert.equal(stdout, "unknown\n");
    assert.equal(fateOf(other({ pidNamespace: "" }), "one"), "unknown");
    assert.equal(fateOf(other({ bootId: "" }), "one"), "unknown");
    assert.equal(fateOf(other({ startTicks: "" }), "one"), "unknown");
  });

  it("is believed dead when nobody can tell and its time is over", () => {
    const startedAt = new Date(1_000);
    const record = { id: "one", kind: "checkpoint", containerId: "c", startedAt, deadlineAt: new Date(2_000) };
    const elsewhere = other({ bootId: "elsewhere", host: "elsewhere 1" });
    assert.equal(isAbandoned({ ...record, owner: elsewhere }, 1_999), false);
    assert.equal(isAbandoned({ ...record, owner: elsewhere }, 2_001), true);
    assert.equal(isAbandoned({ ...record, owner: other({}) }, 2_001), false);
    assert.equal(isAbandoned(record, 2_001), true);
  });

  it("stands in the labels of a lease, and is read from them whatever they say", () => {
    const [startedAt, deadlineAt] = [new Date(1_000), new Date(2_000)];
    const record = {
      id: "one",
      kind: "checkpoint",
      containerId: "c",
      ref: "cp:1",
      owner: ownOwner(),
      startedAt,
      deadlineAt,
    };
    const lease = {
      id: "x",
      labels: operationLabels(record),
      createdAt: startedAt,
      [Symbol.asyncDispose]: async () => {},
    };
    assert.deepEqual(operationOf(lease), { ...record, callerId: undefined, file: undefined, partial: undefined });
    assert.equal(operationOf({ ...lease, labels: {} }), undefined);
    for (const text of [undefined, "", "null", "[]", "{", '{"pid":"1"}']) assert.equal(parseOwner(text), undefined);
    assert.deepEqual(parseOwner('{"pid":1,"host":7}'), {
      pid: 1,
      startTicks: "",
      bootId: "",
      pidNamespace: "",
      host: "",
      instance: "",
    });
  });
});
