import type { CallOptions } from "../call-options.js";
import type { Provider } from "../content/store.js";
import { FailedPreconditionError, isNotFound, NotFoundError, ResourceExhaustedError } from "../errors.js";
import type { Descriptor } from "../oci/descriptor.js";
import { parseUser, type ResolvedUser, resolveUser } from "../oci/spec-user.js";
import { readTar, type TarEntry } from "../tar/tar.js";

const PASSWD = "etc/passwd";
const GROUP = "etc/group";
const LARGEST_FILE = 1024 * 1024;

// Names of what a layer hides in those below it; the last two hide all that was in the directory.
// See https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts
const hiddenBy: Readonly<Record<string, readonly string[]>> = {
  "etc/.wh.passwd": [PASSWD],
  "etc/.wh.group": [GROUP],
  ".wh.etc": [PASSWD, GROUP],
  "etc/.wh..wh..opq": [PASSWD, GROUP],
  ".wh..wh..opq": [PASSWD, GROUP],
};

/**
 * Finds who a user of an image is in numbers. Only a name, or a user's number without a group's, is looked up: in the
 * image's own files, read from its layers, which works on a daemon anywhere.
 *
 * @param layers the packed layers, lowest first.
 * @throws {NotFoundError} when a name is not listed, or a layer is not in the store
 */
export async function imageUser(
  provider: Provider,
  layers: readonly Descriptor[],
  text: string,
  call: CallOptions = {},
): Promise<ResolvedUser> {
  const user = parseUser(text);
  const numbersOnly = user.username === undefined && user.group === undefined;
  if (numbersOnly && (user.gid !== undefined || user.uid === 0)) return resolveUser(user, "", "");
  const files = await readUserFiles(provider, layers, call);
  return resolveUser(user, files.get(PASSWD) ?? "", files.get(GROUP) ?? "");
}

/** From the top layer down: the first one that has a file, or hides it, decides. */
async function readUserFiles(
  provider: Provider,
  layers: readonly Descriptor[],
  call: CallOptions,
): Promise<ReadonlyMap<string, string>> {
  const decided = new Map<string, string>();
  for (const layer of layers.toReversed()) {
    try {
      await readLayer(provider, layer, decided, call);
    } catch (reason) {
      if (!isNotFound(reason)) throw reason;
      throw new NotFoundError(`Cannot look up users of the image: layer ${layer.digest} is not in the content store`, {
        cause: reason,
        hint: "Say who runs the process in numbers: user and group.",
      });
    }
    if (decided.size === 2) break;
  }
  return decided;
}

async function readLayer(
  provider: Provider,
  layer: Descriptor,
  decided: Map<string, string>,
  call: CallOptions,
): Promise<void> {
  const found = new Map<string, string>();
  const hidden = new Set<string>();
  for await (const entry of readTar(provider.read(layer, call))) {
    const name = entry.name.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");
    for (const path of hiddenBy[name] ?? []) hidden.add(path);
    if (name === "etc" && entry.type !== "directory") throw notAFile(layer, name, entry);
    if ((name !== PASSWD && name !== GROUP) || decided.has(name)) continue;
    found.set(name, await textOf(layer, name, entry));
    if ([PASSWD, GROUP].every((path) => found.has(path) || decided.has(path))) break;
  }
  for (const path of hidden) if (!decided.has(path)) decided.set(path, "");
  for (const [path, text] of found) decided.set(path, text);
}

async function textOf(layer: Descriptor, name: string, entry: TarEntry): Promise<string> {
  if (entry.type !== "file") throw notAFile(layer, name, entry);
  if (entry.size > LARGEST_FILE) {
    throw new ResourceExhaustedError(
      `Cannot read /${name} of layer ${layer.digest}: ${entry.size} bytes, at most ${LARGEST_FILE} are read`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry.body) chunks.push(chunk);
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function notAFile(layer: Descriptor, name: string, entry: TarEntry): FailedPreconditionError {
  return new FailedPreconditionError(
    `Cannot look up users of the image: /${name} is a ${entry.type} in layer ${layer.digest}`,
    {
      hint: "Say who runs the process in numbers: user and group.",
    },
  );
}
