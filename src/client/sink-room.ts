import type { Writable } from "node:stream";

const waiting = new WeakMap<Writable, Set<() => void>>();

/**
 * Calls `resume` whenever a stream takes more, or nothing ever again, until the result is called. Many may share one stream: it gets
 * one listener for them all, as Node.js warns of more than ten.
 */
export function onRoom(sink: Writable, resume: () => void): () => void {
  const resumes = waiting.get(sink) ?? listen(sink);
  resumes.add(resume);
  return () => {
    resumes.delete(resume);
    if (resumes.size === 0) stopListening(sink);
  };
}

function listen(sink: Writable): Set<() => void> {
  const resumes = new Set<() => void>();
  waiting.set(sink, resumes);
  sink.on("drain", resumeAll);
  sink.on("close", resumeAll);
  return resumes;
}

function stopListening(sink: Writable): void {
  waiting.delete(sink);
  sink.off("drain", resumeAll);
  sink.off("close", resumeAll);
}

function resumeAll(this: Writable): void {
  for (const resume of waiting.get(this) ?? []) resume();
}
