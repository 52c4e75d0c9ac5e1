import type { Version } from "../api/services/version/v1/version_pb.js";
import type { ServiceImpl } from "../rpc/router.js";

/** The release of containerd whose manners these are; clients ask for it to know what they may call. */
const VERSION = "2.1.4+embedded";

/** Answers for containerd's version. There is no revision: nothing of containerd's was built. */
export function versionService(): ServiceImpl<typeof Version> {
  return { version: () => ({ version: VERSION, revision: "" }) };
}
