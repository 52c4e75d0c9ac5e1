import { existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FailedPreconditionError } from "../errors.js";
import { mountPointsBelow } from "./mount-points.js";

/** Where a daemon has what lasts as long as it runs, only for its user. */
export class StateDirectory {
  readonly #fixed: string | undefined;
  #path: string | undefined;

  /** In the root; else where this machine has temporary files. */
  constructor(root: string | undefined) {
    this.#fixed = root === undefined ? undefined : join(root, "state");
  }

  /** Its path; made when it is first asked for. */
  get path(): string {
    if (this.#path === undefined && this.#fixed !== undefined) mkdirSync(this.#fixed, { recursive: true, mode: 0o700 });
    this.#path ??= this.#fixed ?? mkdtempSync(join(tmpdir(), "containerd-embedded-"));
    return this.#path;
  }

  /** What a daemon that was killed left; undefined when it left nothing. */
  get left(): string | undefined {
    return this.#fixed !== undefined && existsSync(this.#fixed) ? this.#fixed : undefined;
  }

  /** @throws {FailedPreconditionError} when something is mounted in it, which would be removed with it */
  async remove(): Promise<void> {
    const path = this.#path ?? this.left;
    if (path === undefined) return;
    const [mounted] = await mountPointsBelow(path);
    if (mounted !== undefined) throw new FailedPreconditionError(`Cannot remove ${path}: ${mounted} is mounted`);
    await rm(path, { recursive: true, force: true });
    this.#path = undefined;
  }
}
