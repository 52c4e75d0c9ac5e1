import { create } from "@bufbuild/protobuf";
import { type CheckpointOptions, CheckpointOptionsSchema } from "../api/types/runc/options/oci_pb.js";
import type { CriuOptions } from "../checkpoint/plan.js";

/** The wire's form of what criu is asked; `exit` says whether criu itself ends the task. */
export function criuOptionsMessage(criu: CriuOptions, exit: boolean, imagePath = ""): CheckpointOptions {
  return create(CheckpointOptionsSchema, {
    exit,
    openTcp: criu.openTcp ?? false,
    externalUnixSockets: criu.externalUnixSockets ?? false,
    terminal: criu.terminal ?? false,
    fileLocks: criu.fileLocks ?? true,
    emptyNamespaces: [...(criu.emptyNamespaces ?? [])],
    cgroupsMode: criu.cgroupsMode ?? "",
    workPath: criu.workPath ?? "",
    imagePath,
  });
}

/** What a checkpoint's options blob says. */
export function criuOptionsOf(message: CheckpointOptions): CriuOptions {
  return {
    openTcp: message.openTcp,
    externalUnixSockets: message.externalUnixSockets,
    terminal: message.terminal,
    fileLocks: message.fileLocks,
    emptyNamespaces: message.emptyNamespaces,
    cgroupsMode: message.cgroupsMode,
    workPath: message.workPath,
  };
}
