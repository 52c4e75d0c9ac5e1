import { type ContainerdError, type ErrorCode, type ErrorFacts, errorFor } from "../errors.js";
import { type CallError, callErrorFrom, Status } from "./call-error.js";

const codes: ReadonlyMap<number, ErrorCode> = new Map(
  Object.entries(Status).map(([code, status]) => [status, code as ErrorCode]),
);

const UNREACHABLE = new Set([
  "ENOENT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** Connect calls every reset an internal error. */
const RESETS: Readonly<Record<string, ErrorCode>> = {
  ENHANCE_YOUR_CALM: "resource_exhausted",
  INADEQUATE_SECURITY: "permission_denied",
};

const TLS_TROUBLE = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/;

/** Turns whatever a transport threw into one of our errors; the daemon's message stays whole. */
export function toContainerdError(reason: unknown, facts: Pick<ErrorFacts, "method" | "namespace">): ContainerdError {
  const error = callErrorFrom(reason);
  const errno = systemCode(error);
  const known = { ...facts, cause: reason };
  if (errno === "EACCES" || errno === "EPERM") return errorFor("permission_denied", error.rawMessage, known);
  // Closed by its owner: it will not come back, so nobody should wait for it.
  if (errno === "ECONNABORTED") return errorFor("canceled", error.rawMessage, known);
  if (errno !== undefined && (UNREACHABLE.has(errno) || TLS_TROUBLE.test(errno)))
    return errorFor("unavailable", error.rawMessage, known);
  if (isCutOff(error)) {
    return errorFor("unavailable", "The connection to the daemon was lost during the call", known);
  }
  // The daemon's own clock may run out a moment before ours, and it then has other words for it.
  if (error.rawMessage.includes("context deadline exceeded"))
    return errorFor("deadline_exceeded", error.rawMessage, known);
  // What is wrong with the answer is not what a daemon means by these codes: that it cannot do something, or was asked wrongly.
  if (error.rawMessage.startsWith("protocol error: ")) return errorFor("internal", error.rawMessage, known);
  const [, reset = ""] = /^Stream closed with error code NGHTTP2_(\w+)$/.exec(error.rawMessage) ?? [];
  return errorFor(RESETS[reset] ?? codes.get(error.code) ?? "unknown", error.rawMessage, known);
}

/** A connection that goes away ends a stream with a reset nobody asked for, or without the status every call ends with. */
function isCutOff({ code, rawMessage }: CallError): boolean {
  if (code === Status.canceled) return rawMessage.includes("stream closed with error code CANCEL");
  return code === Status.internal && rawMessage.includes("protocol error: missing status");
}

/** Whether the peer said that it never looked at the call, so that sending it once more cannot do it twice. */
export function isRefusedStream(reason: unknown): boolean {
  return reason instanceof Error && chain(reason).some((error) => /REFUSED_STREAM/.test(error.message));
}

/** The system's name for what went wrong, such as `ENOENT`, from anywhere down the chain of causes. */
export function systemCode(reason: Error): string | undefined {
  for (const error of chain(reason)) {
    const code: unknown = Reflect.get(error, "code");
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
  }
  return undefined;
}

function chain(reason: Error): Error[] {
  const errors: Error[] = [];
  for (let error: unknown = reason; error instanceof Error && !errors.includes(error); error = error.cause)
    errors.push(error);
  return errors;
}
