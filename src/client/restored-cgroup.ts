import { Namespaces } from "../api/services/namespaces/v1/namespace_pb.js";
import type { CallOptions } from "../call-options.js";
import type { Checkpoint } from "../checkpoint/document.js";
import { isNotFound } from "../errors.js";
import { cgroupsPathFor } from "../oci/cgroups-path.js";
import type { Services } from "./services.js";

/**
 * The cgroup of a restored container: beside the original's, never the same. In the original's it would be killed with it,
 * and runc refuses a cgroup that is not empty.
 */
export async function restoredCgroup(
  services: Services,
  id: string,
  cgroupsPath: string,
  { containerId }: Checkpoint,
  call: CallOptions,
): Promise<string> {
  const path = containerId === id ? cgroupsPath : cgroupsPathFor(cgroupsPath, id);
  // Where nobody says otherwise a cgroup is named after namespace and id: then another namespace's container may have it.
  const [, owner] = /^\/([^/]+)\/[^/]+$/.exec(path) ?? [];
  if (owner === undefined || owner === services.namespace) return path;
  return (await isNamespace(services, owner, call)) ? `/${services.namespace}/${id}` : path;
}

async function isNamespace(services: Services, name: string, call: CallOptions): Promise<boolean> {
  try {
    await services.rpc.unary(Namespaces.method.get, { name }, call);
    return true;
  } catch (reason) {
    if (isNotFound(reason)) return false;
    throw reason;
  }
}
