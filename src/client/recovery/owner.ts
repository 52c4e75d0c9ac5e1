import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { isRunning, startOf } from "../../content/layout/process-identity.js";
import { isRunningElsewhere } from "./pid-namespace.js";

/** The process that runs an operation: enough to tell later whether it still can. What is empty could not be known. */
export interface Owner {
  /** Its process id. */
  readonly pid: number;
  /** When it was started, in clock ticks since boot. With the id it names the process for good. */
  readonly startTicks: string;
  /** The boot of its machine. */
  readonly bootId: string;
  /** The inode of its pid namespace: ids of another one mean other processes. */
  readonly pidNamespace: string;
  /** Its machine. */
  readonly host: string;
  /** This library in that process: there may be several copies, or threads. */
  readonly instance: string;
}

const instance = randomBytes(6).toString("hex");
let self: Owner | undefined;

/** The operations that are under way in this instance. */
export const operationsHere: Set<string> = new Set();

/** This process. */
export function ownOwner(): Owner {
  self ??= {
    pid: process.pid,
    startTicks: startOf(process.pid) ?? "",
    bootId: seen(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    pidNamespace: seen(() => readlinkSync("/proc/self/ns/pid")),
    host: [hostname(), seen(() => readFileSync("/etc/machine-id", "utf8").trim())]
      .filter((part) => part !== "")
      .join(" "),
    instance,
  };
  return self;
}

/** Whether an operation's process can still work at it; `unknown` where that cannot be seen from here. */
export function fateOf(owner: Owner, operationId: string): "alive" | "dead" | "unknown" {
  if (owner.instance === instance) return operationsHere.has(operationId) ? "alive" : "dead";
  const here = ownOwner();
  if (owner.bootId === "" || here.bootId === "") return "unknown";
  if (owner.bootId !== here.bootId) return owner.host === here.host && here.host.includes(" ") ? "dead" : "unknown";
  if (owner.pidNamespace === "" || owner.startTicks === "" || owner.pid <= 0) return "unknown";
  const isHere = owner.pidNamespace === here.pidNamespace;
  const runs = isHere ? isRunning(owner.pid, owner.startTicks) : isRunningElsewhere(owner);
  return runs === undefined ? "unknown" : runs ? "alive" : "dead";
}

/** Reads what a label says about an owner; `undefined` when it says nothing. */
export function parseOwner(label: string | undefined): Owner | undefined {
  const said = fieldsOf(label ?? "");
  const text = (field: string): string => (typeof said[field] === "string" ? said[field] : "");
  if (typeof said["pid"] !== "number") return undefined;
  return {
    pid: said["pid"],
    startTicks: text("startTicks"),
    bootId: text("bootId"),
    pidNamespace: text("pidNamespace"),
    host: text("host"),
    instance: text("instance"),
  };
}

/** What a text says as a JSON object; nothing when it is none. */
export function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function seen(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
