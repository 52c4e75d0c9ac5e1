import { type ErrorCode, errorFor } from "../../errors.js";

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "not_found",
  ENOSPC: "resource_exhausted",
  EDQUOT: "resource_exhausted",
  EFBIG: "resource_exhausted",
  EMFILE: "resource_exhausted",
  ENFILE: "resource_exhausted",
  ENOMEM: "resource_exhausted",
  EACCES: "permission_denied",
  EPERM: "permission_denied",
  EROFS: "failed_precondition",
  ELOOP: "failed_precondition",
  ENOTDIR: "failed_precondition",
  EISDIR: "failed_precondition",
  ENXIO: "failed_precondition",
  ENAMETOOLONG: "invalid_argument",
  EIO: "data_loss",
};

/** Whether the reason is one of these failures of the operating system. */
export function isFileError(reason: unknown, ...wanted: readonly string[]): boolean {
  return reason instanceof Error && wanted.includes((reason as NodeJS.ErrnoException).code ?? "");
}

/** The reason as an error of this library, when it came from the operating system; else the reason itself. */
export function fileError(reason: unknown, what: string): unknown {
  if (!(reason instanceof Error)) return reason;
  const { code, syscall } = reason as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return reason;
  return errorFor(codes[code] ?? "unknown", `Cannot ${what}: ${reason.message}`, { cause: reason });
}

/** Does something with files; when that fails the error says what was being done. */
export async function during<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (reason) {
    throw fileError(reason, what);
  }
}
