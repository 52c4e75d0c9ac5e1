import type { Any } from "@bufbuild/protobuf/wkt";
import { FailedPreconditionError } from "../errors.js";
import { writeGoJson } from "../oci/go-json.js";
import { encodeSpec, parseSpec, type Spec, type SpecProcess, type SpecResources } from "../oci/runtime-spec.js";
import { packDocument, RuntimeSpecType } from "../typeurl.js";

/** Wraps a runtime spec as a container's record holds it; numbers beyond a double stay exact. */
export function packSpec(spec: Spec): Any {
  return packDocument(RuntimeSpecType.spec, encodeSpec(spec));
}

/**
 * Unwraps a container's runtime spec.
 *
 * @throws {FailedPreconditionError} when it is of another kind
 * @throws {InvalidArgumentError} when it cannot be parsed
 */
export function unpackSpec(any: Any): Spec {
  if (any.typeUrl === RuntimeSpecType.spec || any.typeUrl.endsWith(`/${RuntimeSpecType.spec}`))
    return parseSpec(any.value);
  throw new FailedPreconditionError(`Cannot read a runtime spec: it is of type ${JSON.stringify(any.typeUrl)}`);
}

/** Wraps the process part of a spec, as an exec wants it. */
export function packProcess(process: SpecProcess): Any {
  return packJson(RuntimeSpecType.process, process);
}

/** Wraps the resources part of a spec, as an update wants it. */
export function packResources(resources: SpecResources): Any {
  return packJson(RuntimeSpecType.linuxResources, resources);
}

function packJson(typeUrl: string, value: object): Any {
  return packDocument(typeUrl, new TextEncoder().encode(writeGoJson(value)));
}
