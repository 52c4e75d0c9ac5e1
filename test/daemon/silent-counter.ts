/**
 * Counts in its memory, and writes each number to /count, without a child process ever: criu cannot stop a shell that waits
 * for one between vfork and exec, and only a client on the daemon's machine can see that coming.
 */
export const SILENT_COUNT: readonly string[] = [
  "sh",
  "-c",
  "mkfifo /never; exec 3<>/never; i=0; while :; do i=$((i+1)); echo $i > /count; read -t 0.05 x <&3; done",
];
