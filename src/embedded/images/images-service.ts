import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { ImageCreateSchema, ImageDeleteSchema, ImageUpdateSchema } from "../../api/events/image_pb.js";
import type { Image, Images } from "../../api/services/images/v1/images_pb.js";
import { parseFilters } from "../../content/filter-match.js";
import { AlreadyExistsError, InvalidArgumentError, NotFoundError } from "../../errors.js";
import type { ServiceImpl } from "../../rpc/router.js";
import { packAny } from "../../typeurl.js";
import { expires } from "../collector/gc-labels.js";
import { callContext } from "../context.js";
import type { Daemon } from "../daemon.js";
import { ownValue } from "../label-lookup.js";
import type { ImageRecord } from "../metadata/record-kinds.js";
import { checkedImage, imageInit, updatedImage } from "./image-record.js";

/** Answers for containerd's images. */
export function imagesService(daemon: Daemon): ServiceImpl<typeof Images> {
  return {
    get({ name }, context) {
      const { namespace } = callContext(context);
      return { image: imageInit(name, imageOf(daemon, namespace, name)) };
    },

    list({ filters }, context) {
      const { namespace } = callContext(context);
      const matches = parseFilters(filters);
      const images = [...daemon.records(namespace, "images").entries()];
      return {
        images: images
          .filter(([name, image]) => matches(lookup(name, image)))
          .map(([name, image]) => imageInit(name, image)),
      };
    },

    create({ image, sourceDateEpoch }, context) {
      const { namespace, lease } = callContext(context);
      const given = required(image);
      const { name } = given;
      const createdAt = sourceDateEpoch === undefined ? new Date() : timestampDate(sourceDateEpoch);
      const record = { ...checkedImage(given), createdAt, updatedAt: createdAt };
      const images = daemon.records(namespace, "images");
      if (images.has(name)) throw new AlreadyExistsError(`image ${JSON.stringify(name)}: already exists`);
      // Only what ends by itself needs a lease: other images are roots.
      if (expires(record.labels)) daemon.hold(namespace, lease, { type: "images", id: name });
      images.set(name, record);
      const event = create(ImageCreateSchema, { name, labels: { ...record.labels } });
      daemon.publish(namespace, "/images/create", packAny(ImageCreateSchema, event));
      return { image: imageInit(name, record) };
    },

    update({ image, updateMask, sourceDateEpoch }, context) {
      const { namespace, lease } = callContext(context);
      const given = required(image);
      const { name } = given;
      if (name === "") throw new InvalidArgumentError("image name is required for update: invalid argument");
      const before = imageOf(daemon, namespace, name);
      const updatedAt = sourceDateEpoch === undefined ? new Date() : timestampDate(sourceDateEpoch);
      const record = { ...updatedImage(name, before, given, updateMask?.paths ?? []), updatedAt };
      if (expires(record.labels)) daemon.hold(namespace, lease, { type: "images", id: name });
      daemon.records(namespace, "images").set(name, record);
      const event = create(ImageUpdateSchema, { name, labels: { ...record.labels } });
      daemon.publish(namespace, "/images/update", packAny(ImageUpdateSchema, event));
      return { image: imageInit(name, record) };
    },

    async delete({ name, target, sync }, context) {
      const { namespace } = callContext(context);
      const image = imageOf(daemon, namespace, name);
      if (target !== undefined && target.digest !== "" && target.digest !== image.target.digest) {
        throw new NotFoundError(
          `image ${JSON.stringify(name)} has target ${image.target.digest}, not ${target.digest}: not found`,
        );
      }
      daemon.records(namespace, "images").delete(name);
      daemon.publish(namespace, "/images/delete", packAny(ImageDeleteSchema, create(ImageDeleteSchema, { name })));
      if (sync) await daemon.collect();
      return {};
    },
  };
}

function imageOf(daemon: Daemon, namespace: string, name: string): ImageRecord {
  const image = daemon.records(namespace, "images").get(name);
  if (image === undefined) throw new NotFoundError(`image ${JSON.stringify(name)}: not found`);
  return image;
}

function required(image: Image | undefined): Image {
  if (image === undefined) throw new InvalidArgumentError("image must be set: invalid argument");
  return image;
}

function lookup(name: string, { labels, target }: ImageRecord) {
  return ([field = "", ...path]: readonly string[]): string | undefined => {
    switch (field) {
      case "name":
        return name;
      case "labels":
        return ownValue(labels, path.join("."));
      case "annotations":
        return ownValue(target.annotations, path.join("."));
      case "target":
        return path[0] === "digest" ? target.digest : path[0] === "mediatype" ? target.mediaType : undefined;
      default:
        return undefined;
    }
  };
}
