/** Whether the operating system refused something for one of these reasons, such as `ENOENT`. */
export function isErrno(reason: unknown, ...codes: readonly string[]): boolean {
  return reason instanceof Error && "code" in reason && codes.includes(String(reason.code));
}
