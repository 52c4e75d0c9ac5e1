import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { type Content, WriteAction } from "../../../src/api/services/content/v1/content_pb.js";
import type { Store, Writer } from "../../../src/content/index.js";
import { isAlreadyExists, isNotFound } from "../../../src/index.js";
import { type Digest, digester } from "../../../src/oci/index.js";

/** A store behind the daemon's content service. */
export function contentService(store: Store): Partial<ServiceImpl<typeof Content>> {
  const infoOf = ({ digest, size, labels }: Awaited<ReturnType<Store["info"]>>) => ({
    info: { digest, size: BigInt(size), labels: { ...labels } },
  });
  return {
    async *read({ digest, offset, size }) {
      const range = offset === 0n && size === 0n ? {} : { offset: Number(offset), length: Number(size) };
      const chunks = store.read({ digest: digest as Digest }, range)[Symbol.asyncIterator]();
      for (;;) {
        const { done, value } = await onWire(chunks.next());
        if (done === true) return;
        yield { data: value };
      }
    },
    info: async ({ digest }) => infoOf(await onWire(store.info(digest as Digest))),
    async *list() {
      for await (const info of store.list()) yield { info: [infoOf(info).info] };
    },
    async *write(requests) {
      let writer: Writer | undefined;
      try {
        const hash = digester();
        for await (const { action, ref, data, labels, expected, total } of requests) {
          writer ??= await onWire(store.writer(ref, expected === "" ? {} : { expected: expected as Digest }));
          hash.update(data);
          await writer.write(data);
          const { offset } = writer;
          const digest = action === WriteAction.COMMIT ? hash.digest() : "";
          if (action === WriteAction.COMMIT) {
            const size = total === 0n ? {} : { size: Number(total) };
            await onWire(writer.commit({ labels, ...size }));
          }
          yield { action, offset: BigInt(offset), digest };
        }
      } finally {
        await writer?.[Symbol.asyncDispose]();
      }
    },
  };
}

/** Failures as the daemon tells them. */
async function onWire<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (reason) {
    const code = isNotFound(reason) ? Code.NotFound : isAlreadyExists(reason) ? Code.AlreadyExists : Code.Internal;
    throw new ConnectError((reason as Error).message, code);
  }
}
