import { execFile } from "node:child_process";
import { closeSync, constants, existsSync, fstatSync, openSync } from "node:fs";
import { promisify } from "node:util";
import { during } from "../content/layout/file-errors.js";
import { FailedPreconditionError, InvalidArgumentError, NotImplementedError } from "../errors.js";
import { DirectoryTree } from "../tree/directory-tree.js";
import { checkSystem } from "./file-names.js";

const SELINUX = "/sys/fs/selinux/enforce";
const run = promisify(execFile);

/** What came of making a file with a label. */
export interface LabelledFile {
  /** Whether the file was made; otherwise it was there, and its content is what it was. */
  readonly created: boolean;
  /** Whether it has the label now. */
  readonly labelled: boolean;
  /** Why it has not, when it has not. */
  readonly reason?: string;
}

/**
 * Makes a file, where it is not there, that only its owner may read, and gives it an SELinux label where the kernel has SELinux; where
 * it has not, the result says so. A link is not followed. Needs `chcon` for the label; works on Linux only.
 *
 * @param directory where the file is to be.
 * @param name its name in there.
 * @param label such as `system_u:object_r:container_file_t:s0`; none is set when it is empty.
 * @throws {InvalidArgumentError} when the name is no name, or the kernel does not take the label
 * @throws {FailedPreconditionError} when something else than a file has that name
 * @throws {NotImplementedError} when the system is not Linux, or has SELinux, but no `chcon`
 * @see https://github.com/podman-container-tools/podman/blob/v5.8.0/pkg/checkpoint/crutils/checkpoint_restore_utils.go CRCreateFileWithLabel
 */
export async function createFileWithLabel(directory: string, name: string, label: string): Promise<LabelledFile> {
  const what = `create ${JSON.stringify(name)} with a label`;
  checkSystem(what);
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    throw new InvalidArgumentError(`Cannot ${what}: it is no name of a file`);
  }
  return during(what, async () => {
    const node = await new DirectoryTree(directory).stat(name);
    if (node !== undefined && node.type !== "file")
      throw new FailedPreconditionError(`Cannot ${what}: it is a ${node.type}`);
    using file = openWithoutLinks(`${directory}/${name}`);
    const created = node === undefined;
    if (label === "") return { created, labelled: false, reason: "there is no label to set" };
    if (!existsSync(SELINUX)) return { created, labelled: false, reason: "the kernel has no SELinux" };
    await setLabel(file.fd, label, what);
    return { created, labelled: true };
  });
}

function openWithoutLinks(path: string): Disposable & { readonly fd: number } {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Gives the label to what is open, whatever its name means by then. */
async function setLabel(fd: number, label: string, what: string): Promise<void> {
  if (!fstatSync(fd).isFile()) throw new FailedPreconditionError(`Cannot ${what}: it is no file`);
  try {
    await run("chcon", ["--", label, `/proc/${process.pid}/fd/${fd}`]);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") {
      throw new NotImplementedError(`Cannot ${what}: there is no chcon`, { cause });
    }
    const said = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new InvalidArgumentError(`Cannot ${what}: ${said}`, { cause });
  }
}
