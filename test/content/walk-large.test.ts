import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { imagePlatforms } from "../../src/content/image-platforms.js";
import { imageUsage } from "../../src/content/image-usage.js";
import type { Provider } from "../../src/content/store.js";
import { walk } from "../../src/content/walk.js";
import { NotFoundError } from "../../src/errors.js";
import type { Descriptor } from "../../src/oci/descriptor.js";
import { digestOf } from "../../src/oci/digest.js";
import { encodeIndex } from "../../src/oci/image-index.js";
import { MEDIA_TYPE_IMAGE_CONFIG, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST } from "../../src/oci/media-types.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const MANIFEST_BYTES = 128 * 1024;

/** An index of many large manifests, made when they are read and kept nowhere. */
class Mirage implements Provider {
  readonly root: Descriptor;
  reads = 0;
  #now = 0;
  most = 0;
  readonly #index: Uint8Array;
  readonly #numbers = new Map<string, number>();

  constructor(count: number) {
    const manifests = Array.from({ length: count }, (_, at): Descriptor => {
      const bytes = this.#manifest(at);
      const digest = digestOf(bytes);
      this.#numbers.set(digest, at);
      const platform = { os: "linux", architecture: `cpu${at}` };
      return { mediaType: MEDIA_TYPE_MANIFEST, digest, size: bytes.length, platform };
    });
    this.#index = encodeIndex({ schemaVersion: 2, mediaType: MEDIA_TYPE_INDEX, manifests });
    this.root = { mediaType: MEDIA_TYPE_INDEX, digest: digestOf(this.#index), size: this.#index.length };
  }

  async *read({ digest }: Pick<Descriptor, "digest">): AsyncGenerator<Uint8Array> {
    this.reads++;
    this.most = Math.max(this.most, ++this.#now);
    try {
      await new Promise((resolve) => setImmediate(resolve));
      if (digest === this.root.digest) yield this.#index;
      else {
        const number = this.#numbers.get(digest);
        if (number === undefined) throw new NotFoundError("never fetched");
        yield this.#manifest(number);
      }
    } finally {
      this.#now--;
    }
  }

  // Not through our own writer: most of the time would go there.
  #manifest(number: number): Uint8Array {
    const config = `config ${number}`;
    const part = `"mediaType":"${MEDIA_TYPE_IMAGE_CONFIG}","digest":"${digestOf(Buffer.from(config))}"`;
    const head = `{"schemaVersion":2,"config":{${part},"size":${config.length}},"layers":[],"annotations":{"x":"`;
    const bytes = Buffer.alloc(MANIFEST_BYTES, "x");
    bytes.write(head);
    bytes.write('"}}', MANIFEST_BYTES - 3);
    return bytes;
  }
}

/** The most that was held at any place of the walk, in bytes. */
async function peakOf(mirage: Mirage, concurrency: number): Promise<number> {
  let peak = 0;
  let nodes = 0;
  for await (const _ of walk(mirage, mirage.root, { concurrency })) {
    if (nodes++ % 100 !== 0) continue;
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    peak = Math.max(peak, heapUsed + arrayBuffers);
  }
  assert.equal(nodes, mirage.reads * 2 - 1);
  return peak;
}

describe("walking an index of 1,000 manifests", () => {
  it("holds as many of them as are read at once, not more", async () => {
    const few = await peakOf(new Mirage(50), 4);
    const mirage = new Mirage(1000);
    const many = await peakOf(mirage, 4);
    assert.equal(mirage.reads, 1001);
    assert.equal(mirage.most, 4);
    const growth = many - few;
    const read = 950 * MANIFEST_BYTES;
    // What grows is the index itself: its descriptors are known until they were visited.
    assert.ok(growth < read / 10, `${growth} bytes more for ${read} bytes more`);
  });

  it("reads as many at once as asked", async () => {
    for (const concurrency of [1, 2, 9]) {
      const mirage = new Mirage(30);
      await peakOf(mirage, concurrency);
      assert.equal(mirage.most, concurrency);
    }
  });

  it("measures and lists them all", async () => {
    const mirage = new Mirage(1000);
    assert.equal((await imagePlatforms(mirage, mirage.root)).length, 1000);
    assert.equal(mirage.reads, 2);
    const { present, missing } = await imageUsage(mirage, mirage.root);
    assert.ok(present > 1000 * MANIFEST_BYTES);
    assert.equal(missing, Array.from({ length: 1000 }, (_, at) => `config ${at}`).join("").length);
  });
});
