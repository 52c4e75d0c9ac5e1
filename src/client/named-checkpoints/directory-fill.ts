import { readdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions } from "../../call-options.js";
import type { DumpFile } from "../../checkpoint/named/manifest.js";
import { SIMULATED_DUMP } from "../../checkpoint/simulated-dump.js";
import { isFileError } from "../../content/layout/file-errors.js";
import { DataLossError } from "../../errors.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { readTar } from "../../tar/tar.js";
import type { Services } from "../services.js";
import { copyAcross } from "./file-copy.js";

/** Brings the files of the dump there: from the directory criu wrote them to, or from the daemon's store. */
export async function fillDirectory(
  services: Services,
  partial: string,
  images: string | undefined,
  task: Descriptor | undefined,
  call: CallOptions,
): Promise<DumpFile[]> {
  if (images !== undefined) {
    for (const name of await readdir(images)) await move(join(images, name), join(partial, name), call.signal);
  } else if (task !== undefined) {
    for await (const { name, type, body } of readTar(services.content.read(task, call))) {
      if (type === "directory") continue;
      if (type !== "file" || /[/\0]/.test(name.replace(/^\.\//, ""))) {
        throw new DataLossError(`Cannot unpack ${task.digest}: ${JSON.stringify(name.slice(0, 160))} is no plain file`);
      }
      await writeFile(join(partial, name), body, { flag: "wx", mode: 0o600 });
    }
  }
  const names = (await readdir(partial)).sort();
  if (!names.includes("inventory.img") && !names.includes(SIMULATED_DUMP)) {
    throw new DataLossError(`Cannot write checkpoint directory ${partial}: criu left no inventory`);
  }
  return Promise.all(names.map(async (name) => ({ name, size: (await stat(join(partial, name))).size })));
}

async function move(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await rename(from, to).catch(async (reason: unknown) => {
    if (!isFileError(reason, "EXDEV")) throw reason;
    await copyAcross(from, to, signal);
  });
}
