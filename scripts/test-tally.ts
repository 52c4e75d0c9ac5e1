/** What is needed of an event of node's test runner. */
export interface TestEvent {
  readonly name: string;
  readonly file?: string | undefined;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details: { readonly type?: string | undefined; readonly error?: Error };
}

/** Counts tests, and keeps the names of those that failed or did not run. */
export class TestTally {
  readonly failed: string[] = [];
  /** Names by the reason why they did not run. */
  readonly skipped: Map<string, string[]> = new Map();
  #passed = 0;

  add({ name, skip, todo, details }: TestEvent, passed: boolean): void {
    if (skip !== undefined && skip !== false) {
      const reason = typeof skip === "string" && skip !== "" ? skip : "no reason given";
      this.skipped.set(reason, [...(this.skipped.get(reason) ?? []), name]);
      return;
    }
    const todoAllowsFailure = todo !== undefined && todo !== false;
    const isSuite = details.type === "suite";
    if (!passed) {
      // A suite that fails only because its tests do is told by them; a broken hook is told by the suite alone.
      const { failureType } = { ...details.error } as { readonly failureType?: string };
      if (!todoAllowsFailure && !(isSuite && failureType === "subtestsFailed")) this.failed.push(name);
    } else if (!isSuite) this.#passed++;
  }

  /** The last line. */
  summary(): string {
    const skipped = [...this.skipped.values()].flat().length;
    return `${this.#passed} passed, ${this.failed.length} failed, ${skipped} skipped`;
  }
}
