import type { JsonObject } from "../../oci/json.js";
import { Documents } from "../archive/documents.js";
import { documentBytes, type WholeLimits } from "../archive/limits.js";
import { type ExportedCheckpoint, readPart } from "./exported.js";

/**
 * A document of the archive a checkpoint was made of; an empty one when there is none.
 *
 * @throws {InvalidArgumentError} when it is no object
 */
export async function originalDocument(
  exported: ExportedCheckpoint,
  name: string,
  limits: WholeLimits,
): Promise<JsonObject> {
  const { documents } = exported;
  const member = documents?.members.find((each) => each.name === name);
  if (documents === undefined || member === undefined) return {};
  const bytes = await documentBytes(name, member.size, readPart(exported, documents.descriptor, member), limits);
  return new Documents(limits).object(name, bytes);
}
