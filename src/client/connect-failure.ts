import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import {
  type ContainerdError,
  type ErrorCode,
  errorFor,
  isContainerdError,
  isDeadlineExceeded,
  isNotImplemented,
} from "../errors.js";
import { systemCode } from "../rpc/status.js";
import type { Address } from "./address.js";

/** Sockets of containerds that others bring along. */
export const knownSockets: readonly string[] = [
  "/run/containerd/containerd.sock",
  "/run/k3s/containerd/containerd.sock",
  "/run/docker/containerd/containerd.sock",
  "/run/k0s/containerd.sock",
  "/var/snap/microk8s/common/run/containerd.sock",
];

const DOORS = "containerd serves its clients on its unix socket alone: over TCP put a proxy in front of that socket.";

/** Says in an error what is wrong with an address, and what to do about it. */
export async function explainFailure(
  reason: unknown,
  address: Address,
  timeoutMs: number,
  sockets: readonly string[] = knownSockets,
): Promise<unknown> {
  if (!isContainerdError(reason)) return reason;
  const place = address.kind === "unix" ? address.path : address.authority;
  const say = (code: ErrorCode, what: string, hint?: string): ContainerdError =>
    errorFor(code, `Cannot connect to ${place}: ${what}`, { cause: reason, hint, method: reason.method });
  if (isDeadlineExceeded(reason))
    return say("unavailable", `no answer within ${timeoutMs} ms`, "Is it containerd that listens there?");
  if (isNotImplemented(reason))
    return say("failed_precondition", "a gRPC server, but not containerd's own socket", DOORS);
  const errno = systemCode(reason) ?? "";
  const secured = tlsTrouble(errno, reason.message);
  if (secured !== undefined) return say(secured.code, reason.message, secured.hint);
  if (speaksNoHttp2(errno, reason.message)) {
    return say("failed_precondition", `what listens there does not speak gRPC (${reason.message})`, DOORS);
  }
  if (address.kind === "tcp" && (errno === "ECONNRESET" || /connection to the daemon was lost/.test(reason.message))) {
    return say(
      "unavailable",
      reason.message,
      "It hung up at once: it may want TLS (https://host:port), or not speak gRPC.",
    );
  }
  if (address.kind === "unix") {
    switch (errno) {
      case "ENOENT":
        return say("unavailable", "there is no such socket", await otherSockets(address.path, sockets));
      case "ECONNREFUSED":
        return (await isSocket(address.path))
          ? say("unavailable", "nobody listens at this socket", "Is containerd running?")
          : say("failed_precondition", "it is not a socket", await otherSockets(address.path, sockets));
      case "EACCES":
      case "EPERM":
        return say("permission_denied", "this process may not use the socket", await owner(address.path));
      default:
    }
  }
  return say(reason.code, reason.message, reason.hint);
}

function tlsTrouble(errno: string, message: string): { readonly code: ErrorCode; readonly hint: string } | undefined {
  const text = `${errno} ${message}`;
  if (
    /CERTIFICATE_REQUIRED|certificate required|BAD_CERTIFICATE|bad certificate|alert unknown ca|UNKNOWN_CA/i.test(text)
  ) {
    return {
      code: "unauthenticated",
      hint: "The other side wants a certificate it trusts: give tls.cert and tls.key.",
    };
  }
  if (/SELF_SIGNED|UNABLE_TO_|CERT_|ALTNAME/.test(errno)) {
    return {
      code: "failed_precondition",
      hint: "Its certificate is not trusted: give the authority that signed it as tls.ca, or its name as tls.serverName.",
    };
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|wrong version number/i.test(text)) {
    return { code: "failed_precondition", hint: "It does not speak TLS: use tcp:// without tls." };
  }
  return undefined;
}

function speaksNoHttp2(errno: string, message: string): boolean {
  return (
    errno === "ERR_HTTP2_ERROR" ||
    errno === "ERR_HTTP2_SESSION_ERROR" ||
    /protocol error|unsupported content type|HTTP (?:4\d\d|502)/i.test(message)
  );
}

async function isSocket(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isSocket() ?? false;
}

async function otherSockets(path: string, sockets: readonly string[]): Promise<string> {
  const there: string[] = [];
  for (const socket of sockets) if (socket !== path && (await isSocket(socket))) there.push(socket);
  if (there.length > 0) return `There is one at ${there.join(" and at ")}.`;
  return "Is containerd installed and running? Other daemons bring theirs along at other paths.";
}

/** Names the group that may use the socket, or that guards the directory it lies in. */
async function owner(path: string): Promise<string> {
  for (let place = path; ; place = dirname(place)) {
    const found = await stat(place).catch(() => undefined);
    if (found === undefined && place !== dirname(place)) continue;
    if (found === undefined) return "Run as root.";
    const group = await groupName(found.gid);
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    return `${place} belongs to group ${group} (mode ${mode}): run as root, or as a member of a group that may.`;
  }
}

async function groupName(gid: number): Promise<string> {
  const text = await readFile("/etc/group", "utf8").catch(() => "");
  const name = text
    .split("\n")
    .find((line) => line.split(":")[2] === String(gid))
    ?.split(":")[0];
  return name === undefined ? String(gid) : `${name} (${gid})`;
}
