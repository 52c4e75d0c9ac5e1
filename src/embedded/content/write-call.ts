import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  WriteAction,
  type WriteContentRequest,
  type WriteContentResponseSchema,
} from "../../api/services/content/v1/content_pb.js";
import { AlreadyExistsError, InvalidArgumentError, OutOfRangeError } from "../../errors.js";
import { type Digest, parseDigest } from "../../oci/digest.js";
import type { IngestSession } from "./ingest-session.js";
import type { NamespaceContent } from "./namespace-content.js";

type Response = MessageInitShape<typeof WriteContentResponseSchema>;

/** What was said so far of the blob to be. */
interface Wanted {
  size: number | undefined;
  expected: Digest | undefined;
}

/**
 * Answers one Write call: every message once, and at its end, whoever ends it, the last answer again, as the daemon does. The
 * ref is locked from the first message to the end of the call.
 *
 * @see https://github.com/containerd/containerd/blob/v2.1.4/plugins/services/content/contentserver/contentserver.go
 */
export async function* writeCall(
  content: NamespaceContent,
  requests: AsyncIterable<WriteContentRequest>,
  lease: string | undefined,
): AsyncGenerator<Response, void, undefined> {
  let session: IngestSession | undefined;
  const wanted: Wanted = { size: undefined, expected: undefined };
  let answer: Response = {};
  try {
    for await (const request of requests) {
      if (request.total > 0n) wanted.size = Number(request.total);
      if (request.expected !== "") wanted.expected = parseDigest(request.expected);
      if (session === undefined) session = await open(content, request, wanted, lease);
      else if (request.expected !== "") await refuseExisting(content, session, wanted.expected, lease);
      answer = await take(session, request, wanted, answer);
      yield answer;
      if (request.action === WriteAction.COMMIT) break;
    }
    if (session !== undefined) yield answer;
  } finally {
    await session?.close();
  }
}

function open(
  content: NamespaceContent,
  { ref }: WriteContentRequest,
  { size, expected }: Wanted,
  lease: string | undefined,
): Promise<IngestSession> {
  if (ref === "") throw new InvalidArgumentError("first message must have a reference");
  return content.open(ref, { size, expected, lease });
}

/** A digest that is named late and is there already ends the ingest; the lease does not get the blob: the daemon's way too. */
async function refuseExisting(
  content: NamespaceContent,
  session: IngestSession,
  expected: Digest | undefined,
  lease: string | undefined,
): Promise<void> {
  if (expected === undefined || !content.has(expected)) return;
  await session.close();
  await content.abort(session.ref, lease === undefined ? {} : { lease: { id: lease } });
  throw new AlreadyExistsError(`blob with expected digest ${expected} exists`);
}

async function take(
  session: IngestSession,
  { action, offset, data, labels }: WriteContentRequest,
  { size, expected }: Wanted,
  before: Response,
): Promise<Response> {
  const about = { action, offset: BigInt(session.offset) };
  if (action === WriteAction.STAT) {
    const { digest, startedAt, updatedAt } = session;
    return {
      ...about,
      digest,
      startedAt: timestampFromDate(startedAt),
      updatedAt: timestampFromDate(updatedAt),
      total: BigInt(size ?? 0),
    };
  }
  if (offset > 0n && offset !== BigInt(session.offset)) {
    throw new OutOfRangeError(`write @${offset} must occur at current offset ${session.offset}`);
  }
  // Left out is the same as 0 on the wire.
  if (offset === 0n && session.offset > 0) await session.truncate();
  await session.write(data);
  const after = { ...before, ...about, offset: BigInt(session.offset), digest: session.digest };
  if (action !== WriteAction.COMMIT) return after;
  const { digest, existed } = await session.commit({ size, expected, labels });
  if (existed) throw new AlreadyExistsError(`content ${digest}: already exists`);
  return after;
}
