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
    const isTodo = todo !== undefined && todo !== false;
    if (isTodo || (skip !== undefined && skip !== false)) {
      const reason = [skip, todo].find((one) => typeof one === "string" && one !== "");
      const known = String(reason ?? (isTodo ? "still to do" : "no reason given"));
      this.skipped.set(known, [...(this.skipped.get(known) ?? []), name]);
      return;
    }
    const isSuite = details.type === "suite";
    const failureType = (details.error as { readonly failureType?: string } | undefined)?.failureType;
    if (passed && !isSuite) this.#passed++;
    // A suite that fails only because its tests do is told by them; a broken hook is told by the suite alone.
    if (!passed && !(isSuite && failureType === "subtestsFailed")) this.failed.push(name);
  }

  /** The last line. */
  summary(): string {
    const skipped = [...this.skipped.values()].flat().length;
    return `${this.#passed} passed, ${this.failed.length} failed, ${skipped} skipped`;
  }
}
