import type { ProgramInput, ProgramOutput } from "./program.js";
import { SIGINT } from "./signals.js";

const [NEWLINE, RETURN, INTERRUPT, END] = [0x0a, 0x0d, 0x03, 0x04];

/** What a terminal does to text on its way: line ends are translated, what is typed is echoed, control-C and control-D act. */
export class Terminal {
  readonly #signal: (signal: number) => void;
  #ended = false;

  constructor(signal: (signal: number) => void) {
    this.#signal = signal;
  }

  /** A newline goes to the start of the line, too. */
  output(text: Uint8Array): Uint8Array {
    return Uint8Array.from([...text].flatMap((byte) => (byte === NEWLINE ? [RETURN, NEWLINE] : [byte])));
  }

  input(keys: ProgramInput, echo: ProgramOutput): ProgramInput {
    return {
      ready: () => (this.#ended ? { until: Promise.resolve() } : keys.ready()),
      read: () => {
        const typed = this.#ended ? undefined : keys.read();
        if (typed === undefined) return undefined;
        const text = this.#typed(typed);
        if (text.length > 0) echo.write(text);
        return text.length === 0 && this.#ended ? undefined : text;
      },
    };
  }

  #typed(keys: Uint8Array): Uint8Array {
    const text: number[] = [];
    for (const key of keys) {
      if (key === INTERRUPT) this.#signal(SIGINT);
      else if (key === END) {
        this.#ended = true;
        break;
      } else text.push(key === RETURN ? NEWLINE : key);
    }
    return Uint8Array.from(text);
  }
}
