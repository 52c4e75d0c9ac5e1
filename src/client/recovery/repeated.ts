import type { CallOptions } from "../../call-options.js";
import { orUndefined } from "../../content/found.js";
import { FailedPreconditionError } from "../../errors.js";
import type { Labels } from "../../oci/descriptor.js";
import type { Container } from "../container.js";
import type { Image } from "../image.js";
import type { Services } from "../services.js";
import { findTask } from "../task.js";
import { OperationLabel } from "./operation-record.js";

/** What an operation is repeated for. */
interface Repetition {
  readonly callerId: string | undefined;
  readonly containerId: string;
}

/** The labels by which what an operation made is known again; none when its caller gave it no id. */
export function repetitionLabels({ callerId, containerId }: Repetition): Labels {
  if (callerId === undefined) return {};
  return { [OperationLabel.callerId]: callerId, [OperationLabel.container]: containerId };
}

/** As {@link repetitionLabels}, for a checkpoint that ends the task of that process. */
export function endingLabels(repetition: Repetition, pid: number | undefined): Labels {
  if (repetition.callerId === undefined || pid === undefined) return {};
  return { [OperationLabel.ends]: String(pid) };
}

/**
 * Finds the image that an operation of the same id made before. One that was to end its task and did not live to do it is
 * undone: what the task did since would be lost.
 *
 * @throws {FailedPreconditionError} when the id belongs to another checkpoint
 */
export async function earlierImage(
  services: Services,
  { callerId, containerId }: Repetition,
  ref: string,
  call: CallOptions,
): Promise<Image | undefined> {
  let other: Image | undefined;
  for await (const image of services.images.list(madeBy(callerId), call)) {
    // Who gives an image one more name gives that its labels.
    if (image.name !== ref || image.labels[OperationLabel.container] !== containerId) {
      other ??= image;
      continue;
    }
    const ends = image.labels[OperationLabel.ends];
    const found = ends === undefined ? undefined : await orUndefined(findTask(services, containerId, call));
    if (found === undefined || String(found.task.pid) !== ends || found.status === "stopped") return image;
    await image.delete({ ...call, sync: true });
    return undefined;
  }
  if (other !== undefined) throw taken(callerId, `made image ${JSON.stringify(other.name)}`);
  return undefined;
}

/**
 * Finds the container that an operation of the same id made before.
 *
 * @throws {FailedPreconditionError} when the id belongs to another restore
 */
export async function earlierContainer(
  services: Services,
  { callerId, containerId }: Repetition,
  call: CallOptions,
): Promise<Container | undefined> {
  for await (const container of services.containers.list(madeBy(callerId), call)) {
    if (container.id !== containerId) throw taken(callerId, `made container ${container.id}`);
    return container;
  }
  return undefined;
}

function madeBy(callerId = ""): readonly string[] {
  return [`labels.${JSON.stringify(OperationLabel.callerId)}==${JSON.stringify(callerId)}`];
}

function taken(callerId: string | undefined, what: string): FailedPreconditionError {
  return new FailedPreconditionError(`Operation ${JSON.stringify(callerId)} was another one: it ${what}`, {
    hint: "An operationId stands for one call, whatever becomes of it.",
  });
}
