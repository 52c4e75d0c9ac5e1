import { mkdtemp, rm } from "node:fs/promises";
import type http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, it as test } from "node:test";
import { Version, VersionResponseSchema } from "../../src/api/services/version/v1/version_pb.js";
import type { CallOptions } from "../../src/call-options.js";
import { Rpc } from "../../src/rpc/rpc.js";
import type { Transport, TransportOptions } from "../../src/rpc/transport.js";
import { type FakeCall, FakeDaemon, type Place } from "./fake-daemon.js";

export const NO_ERROR = 0;
export const REFUSED_STREAM = 7;

/** A call that does not end is a failure, not a reason to wait. */
export function it(what: string, body: () => Promise<void>): void {
  test(what, { timeout: 20_000 }, body);
}

/** What a transport goes over: where its other side is, and how it is opened. */
export interface Line {
  readonly name: string;
  /** A place where nobody listens; `directory` is the test's own. */
  place(directory: string): Promise<Place>;
  transport(place: Place, options?: TransportOptions): Transport;
  /** What a server there needs besides. */
  readonly server?: http2.SecureServerOptions;
}

/** For each test a place of its own, who listens there, and connections that are closed after it. */
export class TransportBed {
  /** The test's own directory. */
  directory = "";
  #place: Place | undefined;
  #daemon: FakeDaemon | undefined;
  #rpcs: Rpc[] = [];
  readonly #line: Line;

  /** To be made inside a `describe`. */
  constructor(line: Line) {
    this.#line = line;
    beforeEach(async () => {
      this.directory = await mkdtemp(join(tmpdir(), "rpc-"));
      this.#place = await line.place(this.directory);
    });
    afterEach(async () => {
      for (const rpc of this.#rpcs) rpc.close();
      this.#rpcs = [];
      await this.#daemon?.[Symbol.asyncDispose]();
      this.#daemon = undefined;
      await rm(this.directory, { recursive: true, force: true });
    });
  }

  /** Where the daemon of the test listens. */
  get place(): Place {
    if (this.#place === undefined) throw new Error("Only a test has a place");
    return this.#place;
  }

  /** Another place of the same kind. */
  readonly elsewhere = (): Promise<Place> => this.#line.place(join(this.directory, "else"));

  readonly serve = async (
    handler: (call: FakeCall) => unknown,
    options: http2.SecureServerOptions = {},
  ): Promise<FakeDaemon> => {
    this.#daemon = await FakeDaemon.listen(this.place, handler, { ...this.#line.server, ...options });
    return this.#daemon;
  };

  readonly open = (options?: TransportOptions, at: Place = this.place): Rpc => {
    const rpc = new Rpc(this.#line.transport(at, options), "suite");
    this.#rpcs.push(rpc);
    return rpc;
  };
}

/** Asks for the version. */
export function version(rpc: Rpc, call: CallOptions = {}): Promise<{ readonly version: string }> {
  return rpc.unary(Version.method.version, {}, call);
}

/** Answers it. */
export function answerVersion(call: FakeCall): void {
  call.send(VersionResponseSchema, { version: "1.2.3" });
  call.end();
}

/** Answers nothing. */
export function nothing(): void {}
