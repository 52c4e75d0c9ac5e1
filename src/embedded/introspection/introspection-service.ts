import { statSync } from "node:fs";
import type { Introspection } from "../../api/services/introspection/v1/introspection_pb.js";
import { parseFilters } from "../../content/filter-match.js";
import { NotFoundError } from "../../errors.js";
import type { ServiceImpl } from "../../rpc/router.js";
import type { Daemon } from "../daemon.js";
import type { Runtime } from "../runtime/runtime.js";
import { plugins } from "./plugins.js";

/** Answers for containerd's introspection; `uuid` names this installation. */
export function introspectionService(
  daemon: Daemon,
  runtime: Pick<Runtime, "name">,
  uuid: string,
): ServiceImpl<typeof Introspection> {
  return {
    plugins({ filters }) {
      const matches = parseFilters(filters);
      return {
        plugins: plugins(daemon, runtime).filter(({ type, id, capabilities }) =>
          matches(([field, ...path]) => {
            const fields: Readonly<Record<string, string>> = { type, id, capabilities: capabilities.join(",") };
            return path.length === 0 ? fields[field ?? ""] : undefined;
          }),
        ),
      };
    },

    pluginInfo({ type, id }) {
      const plugin = plugins(daemon, runtime).find((one) => one.type === type && one.id === id);
      if (plugin === undefined) throw new NotFoundError(`plugin ${type}.${id}: not found`);
      return { plugin };
    },

    server: () => ({ uuid, pid: BigInt(process.pid), pidns: pidNamespace(), deprecations: [] }),
  };
}

/** Only Linux has one. */
function pidNamespace(): bigint {
  return statSync("/proc/self/ns/pid", { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
}
