import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import {
  Introspection as IntrospectionService,
  type Plugin as PluginMessage,
} from "../api/services/introspection/v1/introspection_pb.js";
import { RuntimeInfoSchema, RuntimeRequestSchema } from "../api/types/introspection_pb.js";
import type { CallOptions } from "../call-options.js";
import { parseJsonObject } from "../oci/json.js";
import type { Platform } from "../oci/platform.js";
import type { Rpc } from "../rpc/rpc.js";
import { packAny, unpackAny } from "../typeurl.js";
import { dateOf, mapOf, safeNumber } from "./wire.js";

/**
 * A plugin of the daemon.
 *
 * @inline
 */
export interface Plugin {
  /** Its type, such as `io.containerd.snapshotter.v1`. */
  readonly type: string;
  /** Its id, unique in its type. */
  readonly id: string;
  /** Types of plugins it needs. */
  readonly requires: readonly string[];
  /** Platforms it serves. */
  readonly platforms: readonly Platform[];
  /** What it can do beyond others of its type. */
  readonly capabilities: readonly string[];
  /** Values it makes known, such as its `root` directory. */
  readonly exports: Readonly<Record<string, string>>;
  /** Why it could not be loaded; absent when it was. */
  readonly initError?: string;
}

/**
 * Use of something that a coming daemon will not have any more.
 *
 * @inline
 */
export interface Deprecation {
  /** Which one. */
  readonly id: string;
  /** What to do about it. */
  readonly message: string;
  /** When it was last used. */
  readonly lastOccurredAt?: Date;
}

/**
 * The daemon's identity.
 *
 * @inline
 */
export interface ServerInfo {
  /** Id of the installation, kept over restarts. */
  readonly uuid: string;
  /** The daemon's process id on its host; absent before containerd 1.7. */
  readonly pid?: number;
  /** Inode of the daemon's pid namespace; absent before containerd 1.7. */
  readonly pidNamespace?: bigint;
  /** What will be gone; always empty before containerd 1.6.25. */
  readonly deprecations: readonly Deprecation[];
}

/** What the daemon is made of. */
export class Introspection {
  readonly #rpc: Rpc;

  /** @internal */
  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** Lists plugins, those that could not be loaded too; all of them or those that match one of the filters. */
  async plugins(filters: readonly string[] = [], call: CallOptions = {}): Promise<readonly Plugin[]> {
    const reply = await this.#rpc.unary(IntrospectionService.method.plugins, { filters: [...filters] }, call);
    return reply.plugins.map(pluginOf);
  }

  /** Tells which daemon this is. */
  async server(call: CallOptions = {}): Promise<ServerInfo> {
    const reply = await this.#rpc.unary(IntrospectionService.method.server, {}, call);
    return {
      uuid: reply.uuid,
      ...(reply.pid === 0n ? {} : { pid: safeNumber(reply.pid, "a process id") }),
      ...(reply.pidns === 0n ? {} : { pidNamespace: reply.pidns }),
      deprecations: reply.deprecations.map(({ id, message, lastOccurrence }) => {
        const lastOccurredAt = dateOf(lastOccurrence);
        return { id, message, ...(lastOccurredAt === undefined ? {} : { lastOccurredAt }) };
      }),
    };
  }

  /**
   * Asks a runtime, such as `io.containerd.runc.v2`, what it can do: the features document of the runtime spec; `undefined` when it says
   * nothing. The daemon runs it to find out.
   *
   * @throws {NotImplementedError} before containerd 2.0
   * @see https://github.com/opencontainers/runtime-spec/blob/v1.2.0/features.md
   */
  async runtimeFeatures(
    runtime: string,
    options: CallOptions & { readonly runtimeOptions?: Any | undefined } = {},
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { runtimeOptions, ...call } = options;
    const wanted = { runtimePath: runtime, ...(runtimeOptions === undefined ? {} : { options: runtimeOptions }) };
    const request = packAny(RuntimeRequestSchema, create(RuntimeRequestSchema, wanted));
    const input = { type: "io.containerd.runtime.v2", id: "task", options: request };
    const { extra } = await this.#rpc.unary(IntrospectionService.method.pluginInfo, input, call);
    const info = extra === undefined ? undefined : unpackAny(extra, RuntimeInfoSchema);
    return info?.features && parseJsonObject(info.features.value, "a runtime's features");
  }

  /** Tells where the daemon's content store lies on its host; `undefined` when it does not say, or content lies elsewhere too. */
  async contentRoot(call: CallOptions = {}): Promise<string | undefined> {
    return contentRootOf(await this.plugins([`type=="${CONTENT}"`], call));
  }
}

const CONTENT = "io.containerd.content.v1";

/** What a daemon's plugins say about where its content store lies. */
export function contentRootOf(plugins: readonly Plugin[]): string | undefined {
  const stores = plugins.filter(({ type, initError }) => type === CONTENT && initError === undefined);
  const [store, ...others] = stores;
  return store?.id === "content" && others.length === 0 ? store.exports["root"] : undefined;
}

function pluginOf(plugin: PluginMessage): Plugin {
  return {
    type: plugin.type,
    id: plugin.id,
    requires: [...plugin.requires],
    platforms: plugin.platforms.map(({ os, architecture, variant, osVersion, osFeatures }) => ({
      os,
      architecture,
      ...(variant === "" ? {} : { variant }),
      ...(osVersion === "" ? {} : { "os.version": osVersion }),
      ...(osFeatures.length === 0 ? {} : { "os.features": [...osFeatures] }),
    })),
    capabilities: [...plugin.capabilities],
    exports: mapOf(plugin.exports),
    ...(plugin.initErr === undefined ? {} : { initError: plugin.initErr.message }),
  };
}
