import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Content, Info as InfoMessage } from "../../api/services/content/v1/content_pb.js";
import type { CallOptions } from "../../call-options.js";
import type { Info, Status } from "../../content/store.js";
import { InvalidArgumentError, isNotFound, NotFoundError, OutOfRangeError } from "../../errors.js";
import { type Digest, isDigest } from "../../oci/digest.js";
import type { ServiceImpl } from "../../rpc/router.js";
import { callContext } from "../context.js";
import { maskedMap } from "../label-masks.js";
import type { NamespaceContent } from "./namespace-content.js";
import { writeCall } from "./write-call.js";

const MOST_IN_A_MESSAGE = 100;

/** Answers for containerd's content. */
export function contentService(daemon: { content(namespace: string): NamespaceContent }): ServiceImpl<typeof Content> {
  return {
    async info({ digest }, context) {
      const { namespace } = callContext(context);
      return { info: infoInit(await daemon.content(namespace).info(digestOf(digest))) };
    },

    async update({ info: given, updateMask }, context) {
      const content = daemon.content(callContext(context).namespace);
      const digest = digestOf(given?.digest ?? "");
      const { labels: before } = await content.info(digest);
      return { info: infoInit(content.relabel(digest, labelsAfter(before, given, updateMask?.paths ?? []))) };
    },

    async *list({ filters }, context) {
      let info: ReturnType<typeof infoInit>[] = [];
      for await (const one of daemon.content(callContext(context).namespace).list(filters)) {
        info.push(infoInit(one));
        if (info.length < MOST_IN_A_MESSAGE) continue;
        yield { info };
        info = [];
      }
      if (info.length > 0) yield { info };
    },

    async delete({ digest }, context) {
      const { namespace, lease } = callContext(context);
      await daemon.content(namespace).delete(digestOf(digest), leased(lease));
      return {};
    },

    async *read({ digest, offset, size }, context) {
      const content = daemon.content(callContext(context).namespace);
      const target = { digest: digestOf(digest) };
      const from = Math.max(0, Number(offset));
      const { size: all } = await content.info(target.digest);
      if (from > all) throw new OutOfRangeError(`read past object length ${all} bytes`);
      const length = size > 0n ? Math.min(Number(size), all - from) : all - from;
      // Offsets count from where the reading begins.
      let at = 0n;
      for await (const data of content.read(target, { offset: from, length, signal: context.signal })) {
        yield { offset: at, data };
        at += BigInt(data.length);
      }
    },

    async status({ ref }, context) {
      const { namespace } = callContext(context);
      try {
        return { status: statusInit(await daemon.content(namespace).status(ref)) };
      } catch (cause) {
        if (!isNotFound(cause)) throw cause;
        throw new NotFoundError(`could not get status for ref ${JSON.stringify(ref)}: ${cause.message}`, { cause });
      }
    },

    async listStatuses({ filters }, context) {
      const statuses: ReturnType<typeof statusInit>[] = [];
      for await (const one of daemon.content(callContext(context).namespace).statuses(filters))
        statuses.push(statusInit(one));
      return { statuses };
    },

    write(requests, context) {
      const { namespace, lease } = callContext(context);
      return writeCall(daemon.content(namespace), requests, lease);
    },

    async abort({ ref }, context) {
      const { namespace, lease } = callContext(context);
      await daemon.content(namespace).abort(ref, leased(lease));
      return {};
    },
  };
}

function leased(lease: string | undefined): CallOptions {
  return lease === undefined ? {} : { lease: { id: lease } };
}

function digestOf(text: string): Digest {
  if (isDigest(text)) return text;
  throw new InvalidArgumentError(`${JSON.stringify(text)} failed validation`);
}

/** Without paths all labels are replaced. */
function labelsAfter(before: Info["labels"], given: InfoMessage | undefined, paths: readonly string[]): Info["labels"] {
  let labels = before;
  for (const path of paths.length === 0 ? ["labels"] : paths) {
    const masked = maskedMap(labels, given?.labels ?? {}, path, "labels");
    if (masked === undefined) {
      throw new InvalidArgumentError(
        `cannot update ${JSON.stringify(path)} field on content info ${JSON.stringify(given?.digest)}: invalid argument`,
      );
    }
    labels = masked;
  }
  return labels;
}

function infoInit({ digest, size, labels, createdAt, updatedAt }: Info) {
  return {
    digest,
    size: BigInt(size),
    labels: { ...labels },
    ...(createdAt === undefined ? {} : { createdAt: timestampFromDate(createdAt) }),
    ...(updatedAt === undefined ? {} : { updatedAt: timestampFromDate(updatedAt) }),
  };
}

function statusInit({ ref, offset, total = 0, expected, startedAt, updatedAt }: Status) {
  return {
    ref,
    offset: BigInt(offset),
    total: BigInt(total),
    expected: expected ?? "",
    startedAt: timestampFromDate(startedAt),
    updatedAt: timestampFromDate(updatedAt),
  };
}
