import { setTimeout as sleep } from "node:timers/promises";
import { readBlob } from "../../../src/content/index.js";
import { digestOf } from "../../../src/oci/index.js";
import type { FakeCall } from "../../rpc/fake-daemon.js";
import { type Answer, between, bytesFrom, oneOf, type Question, type WireLie } from "./lie.js";

const GRPC = { ":status": 200, "content-type": "application/grpc+proto" };
const CHUNK = Buffer.alloc(64 * 1024);

/** A message of the wire with whatever head. */
export function framed(body: Uint8Array, flags = 0, length: number = body.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, body]);
}

/** Some call with one answer, or with many. Whatever it resolves to was made up. */
async function anything({ client, call, random }: Question): Promise<Answer> {
  await oneOf(random, [
    () => client.version(call),
    () => client.containers.info("any", call),
    () => client.images.get("any", call),
    () => client.content.info(digestOf(CHUNK), call),
    () => readBlob(client.content, { mediaType: "any", digest: digestOf(CHUNK), size: CHUNK.length }, call),
  ])();
  return "made up";
}

/** Sends without end, as fast as it is taken. */
export async function flood(
  { stream, closed }: FakeCall,
  piece: Uint8Array,
  mostBytes: number = Number.POSITIVE_INFINITY,
): Promise<void> {
  for (let sent = 0; sent < mostBytes && !stream.destroyed; sent += piece.length) {
    if (!stream.write(piece)) await Promise.race([new Promise((resolve) => stream.once("drain", resolve)), closed]);
  }
}

function lie(name: string, tell: WireLie["tell"], more: Partial<WireLie> = {}): WireLie {
  return { name, tell, ask: anything, ...more };
}

/** What is wrong with the bytes that carry an answer, whatever it says. */
export const frameLies: readonly WireLie[] = [
  lie("a message larger than is taken", async (call, random) => {
    const length = between(random, 17, 60) * 1024 * 1024;
    call.raw(framed(Buffer.alloc(0), 0, length));
    await flood(call, CHUNK, length);
    call.end();
  }),
  lie("a message of 4 GiB", async (call, random) => {
    call.raw(framed(Buffer.alloc(between(random, 0, 9000)), 0, 0xffffffff - between(random, 0, 999)));
    await flood(call, CHUNK);
  }),
  lie("a message that says it is compressed", (call, random) => {
    call.raw(framed(bytesFrom(random, between(random, 0, 9000)), 1));
    call.end();
  }),
  lie("a message with flags nobody knows", (call, random) => {
    call.raw(framed(bytesFrom(random, between(random, 1, 9000)), between(random, 2, 255)));
    call.end();
  }),
  lie("an answer without trailers", ({ stream }, random) => {
    stream.respond(GRPC);
    if (random() < 0.5) stream.write(framed(Buffer.alloc(0)));
    stream.end();
  }),
  lie("status 200 and nothing else", ({ stream }, random) => {
    stream.respond({ ":status": 200 }, { endStream: random() < 0.5 });
    if (!stream.writableEnded) stream.end();
  }),
  lie("a page instead of an answer", ({ stream }, random) => {
    const status = oneOf(random, [200, 204, 302, 400, 404, 429, 500, 503]);
    stream.respond({ ":status": status, "content-type": oneOf(random, ["text/html", "application/json", ""]) });
    stream.end(status === 204 ? undefined : "<html>");
  }),
  lie("a status that is none", (call, random) => {
    const status = oneOf(random, ["", "NaN", "-1", "99", "1e3", "0x0", "0 ", "٠", "00000000000000000017"]);
    call.stream.respond({ ...GRPC, "grpc-status": encodeURIComponent(status) }, { endStream: true });
  }),
  lie("a reason that cannot be read", ({ stream }, random) => {
    const details = bytesFrom(random, between(random, 1, 900)).toString("base64");
    const trailers = { "grpc-status": "13", "grpc-message": "%ZZ%f%", "grpc-status-details-bin": `${details}!` };
    stream.respond({ ...GRPC, ...trailers }, { endStream: true });
  }),
  lie("OK without content", (call) => call.end()),
  lie("a message that is cut off, and OK", (call, random) => {
    const length = between(random, 1, 9000);
    call.raw(framed(bytesFrom(random, between(random, 0, length - 1)), 0, length));
    call.end();
  }),
  lie("garbage, and OK", (call, random) => {
    // 7 and 6 are no wire types: no reader gets past the first byte.
    call.raw(
      framed(Buffer.concat([Buffer.of(oneOf(random, [7, 6, 15, 14])), bytesFrom(random, between(random, 0, 9000))])),
    );
    call.end();
  }),
  lie(
    "fields nobody knows, 15 MiB of them, and then garbage",
    (call) => {
      const fields = Buffer.alloc(15 * 1024 * 1024, Buffer.of(0xf8, 0x7f, 1));
      call.raw(framed(Buffer.concat([fields, Buffer.of(7)])));
      call.end();
    },
    { costly: true },
  ),
  lie("more answers than one", (call, random) => {
    for (let nth = between(random, 2, 200); nth > 0; nth--) call.raw(framed(Buffer.alloc(0)));
    call.end();
  }),
  lie("resets, one after the other", ({ stream }, random) => {
    if (random() < 0.3) stream.respond(GRPC);
    stream.close(between(random, 0, 13));
  }),
  lie("GOAWAY at every call", async ({ stream }, random) => {
    if (random() < 0.3) stream.respond(GRPC);
    stream.session?.goaway(between(random, 0, 13));
    await sleep(between(random, 0, 20));
    stream.session?.destroy();
  }),
  lie("a connection that is gone at every call", ({ stream }, random) => {
    if (random() < 0.5) stream.respond(GRPC);
    stream.session?.destroy();
  }),
  lie(
    "an answer of which a byte comes now and then",
    async (call) => {
      call.raw(framed(Buffer.alloc(0), 0, 4096).subarray(0, 5));
      while (!call.stream.destroyed) {
        call.raw(Buffer.of(0));
        await sleep(20);
      }
    },
    { deadlineMs: 100 },
  ),
  lie("silence", ({ stream }, random) => void (random() < 0.5 && stream.respond(GRPC)), { deadlineMs: 60 }),
  lie("headers without end", ({ stream }, random) => {
    const pad = "x".repeat(between(random, 1, 8) * 10_000);
    stream.respond({ ...GRPC, "grpc-status": "0", "x-pad": pad }, { endStream: true });
  }),
];
