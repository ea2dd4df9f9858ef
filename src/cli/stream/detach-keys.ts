import { BerthError } from "../../spec/errors.ts";

/** Ctrl-P, Ctrl-Q. */
export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

const SPECIAL: Record<string, number> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31 };

/** `ctrl-p,ctrl-q`, `a,ctrl-x` as bytes (moby's term.ToBytes). Throws `invalid-argument` in Docker's words. */
export function parseDetachKeys(text: string): number[] {
  return text.split(",").map((key) => {
    if ([...key].length === 1) return key.charCodeAt(0);
    const letter = /^ctrl-(.)$/.exec(key)?.[1] ?? "";
    if (/^[a-z]$/.test(letter)) return letter.charCodeAt(0) - 96;
    const code = SPECIAL[letter];
    if (code === undefined) throw new BerthError("invalid-argument", `Unknown character: '${key}'`);
    return code;
  });
}

/**
 * Passes typed bytes on and finds the detach sequence in them. The start of a sequence is held back until it is clear
 * whether it goes on; it is passed on where it does not.
 */
export class DetachFilter {
  #matched = 0;

  constructor(private readonly keys: readonly number[]) {}

  /** What is to be sent of `chunk`; `detach` is true where the sequence is complete, and nothing behind it counts. */
  push(chunk: Uint8Array): { send: Uint8Array; detach: boolean } {
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte !== this.keys[this.#matched] && this.#matched > 0) {
        out.push(...this.keys.slice(0, this.#matched));
        this.#matched = 0;
      }
      if (byte !== this.keys[this.#matched]) out.push(byte);
      else if (++this.#matched === this.keys.length) {
        this.#matched = 0;
        return { send: Uint8Array.from(out), detach: true };
      }
    }
    return { send: Uint8Array.from(out), detach: false };
  }
}
