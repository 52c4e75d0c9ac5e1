import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Image, ImageSchema } from "../../api/services/images/v1/images_pb.js";
import { InvalidArgumentError } from "../../errors.js";
import { type Digest, isDigest } from "../../oci/digest.js";
import { checkedLabels, maskedMap, withoutEmpty } from "../label-masks.js";
import type { ImageRecord } from "../metadata/record-kinds.js";

type Given = Pick<Image, "name" | "labels" | "target">;
type Undated = Pick<ImageRecord, "labels" | "target">;

/** An image as the wire takes it. */
export function imageInit(name: string, image: ImageRecord): MessageInitShape<typeof ImageSchema> {
  const { labels, target, createdAt, updatedAt } = image;
  return {
    name,
    labels: { ...labels },
    target: { ...target, size: BigInt(target.size), annotations: { ...target.annotations } },
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
  };
}

/** @throws {InvalidArgumentError} when the name is empty, or the target is not whole */
export function checkedImage({ name, labels, target }: Given): Undated {
  if (name === "") throw new InvalidArgumentError("Image.Name required");
  const kept = checkedLabels(labels, "image.Labels");
  const { mediaType = "", digest = "", size = 0n, annotations = {} } = target ?? {};
  if (!isDigest(digest)) {
    throw new InvalidArgumentError(
      `Target.Digest ${JSON.stringify(digest)} invalid: invalid checksum digest format: invalid argument`,
    );
  }
  if (size <= 0n) throw new InvalidArgumentError("Target.Size must be greater than zero: invalid argument");
  if (mediaType === "") throw new InvalidArgumentError("Target.MediaType must be set: invalid argument");
  return {
    labels: kept,
    target: { mediaType, digest: digest satisfies Digest, size: Number(size), annotations: withoutEmpty(annotations) },
  };
}

/**
 * An image after an update: all of it where no path is named.
 *
 * @throws {InvalidArgumentError} when a path names what cannot be changed, or the outcome is no image
 */
export function updatedImage(name: string, before: ImageRecord, given: Given, paths: readonly string[]): ImageRecord {
  if (paths.length === 0) return { ...before, ...checkedImage(given) };
  let { labels, target } = imageInit(name, before) as Given;
  for (const path of paths) {
    const masked = maskedMap(labels, given.labels, path, "labels");
    const annotations = maskedMap(target?.annotations ?? {}, given.target?.annotations ?? {}, path, "annotations");
    if (masked !== undefined) labels = masked;
    else if (path === "target") target = given.target;
    else if (annotations !== undefined && target !== undefined) target = { ...target, annotations };
    else {
      throw new InvalidArgumentError(
        `cannot update ${JSON.stringify(path)} field on image ${JSON.stringify(name)}: invalid argument`,
      );
    }
  }
  return { ...before, ...checkedImage({ name, labels, ...(target === undefined ? {} : { target }) }) };
}
