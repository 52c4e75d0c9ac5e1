/** A clock that is read at the end of each stage of a program. */
export class Stages {
  readonly #took: Record<string, number> = {};
  #since: number = performance.now();

  /** The stage that is over now, begun when the one before was. */
  end(name: string): void {
    const now = performance.now();
    this.#took[name] = now - this.#since;
    this.#since = now;
  }

  /** Prints what each stage took, in milliseconds, as one line of JSON. */
  print(): void {
    process.stdout.write(`${JSON.stringify(this.#took)}\n`);
  }
}
