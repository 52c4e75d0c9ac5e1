import type { DescService } from "@bufbuild/protobuf";
import {
  type Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createRouterTransport,
  type Interceptor,
  type ServiceImpl,
} from "@connectrpc/connect";
import { isContainerdError, UnavailableError } from "../errors.js";
import { stoppedAt, untilEnd } from "./call-end.js";
import { Status } from "./call-error.js";
import type { Transport } from "./transport.js";

export type { HandlerContext, ServiceImpl } from "@connectrpc/connect";

/** A service and what answers its calls. */
export interface Route {
  readonly service: DescService;
  readonly answers: Partial<ServiceImpl<DescService>>;
}

/** Pairs a service with what answers its calls. */
export function route<S extends DescService>(service: S, answers: Partial<ServiceImpl<S>>): Route {
  return { service, answers };
}

/** A transport to services in this process; after the end every call is `Unavailable`. */
export function routerTransport(routes: readonly Route[], end: AbortSignal): Transport {
  return createRouterTransport((router) => register(router, routes), {
    router: { interceptors: [interceptor(end)], shutdownSignal: end },
  });
}

/** What answers gRPC calls, by their paths. */
export function routeHandlers(
  routes: readonly Route[],
  { end, maxMessageBytes }: { readonly end: AbortSignal; readonly maxMessageBytes: number },
): ReadonlyMap<string, ConnectRouter["handlers"][number]> {
  const router = createConnectRouter({
    connect: false,
    grpcWeb: false,
    interceptors: [interceptor(end)],
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
    acceptCompression: [],
    shutdownSignal: end,
  });
  register(router, routes);
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

function register(router: ConnectRouter, routes: readonly Route[]): void {
  for (const { service, answers } of routes) router.service(service, answers);
}

/** Sends our own errors over the wire as a daemon sends its own. */
function interceptor(end: AbortSignal): Interceptor {
  return (next) => async (request) => {
    try {
      if (end.aborted) throw new UnavailableError("The services have ended");
      if (!request.stream) return await next(request);
      const response = await next({ ...request, message: untilEnd(request.message, request.signal) });
      if (!response.stream) return response;
      return { ...response, message: stoppedAt(translated(response.message), request.signal) };
    } catch (reason) {
      throw toConnectError(reason);
    }
  };
}

async function* translated<T>(messages: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  try {
    yield* messages;
  } catch (reason) {
    throw toConnectError(reason);
  }
}

/** Whatever else is thrown is `Unknown`, as it is in Go. */
function toConnectError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  // The statuses and Connect's codes are the same numbers.
  const code: Code = isContainerdError(reason) ? Status[reason.code] : Status.unknown;
  const message = reason instanceof Error ? reason.message : String(reason);
  return new ConnectError(message, code, undefined, undefined, reason);
}
