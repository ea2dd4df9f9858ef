import { RegistryError } from "./errors.ts";
import type { Storage } from "./types.ts";

/** A record that GC in this process must not take any more: it has been relied on since GC looked. */
export interface Watch extends Disposable {
  has(key: string): boolean;
}

/**
 * Writers that rely on records, and GC that takes them, without locks. In this process: a writer says what it relies on before it looks, and GC asks at the moment
 * of taking. Between machines: GC condemns a record first and takes it `settleMs` later; a writer takes a condemned record for absent, and one that was slower than
 * half of that looks again after it wrote, and undoes it where something has been condemned meanwhile.
 */
export class Reliance {
  readonly #watches = new Set<Set<string>>();
  readonly #writing = new Set<readonly string[]>();

  constructor(private readonly storage: Pick<Storage, "settleMs">) {}

  /** `has` tells what writers rely on that write now, and what writers come to rely on from now on. */
  watch(): Watch {
    const noted = new Set<string>([...this.#writing].flat());
    this.#watches.add(noted);
    return { has: (key) => noted.has(key), [Symbol.dispose]: () => void this.#watches.delete(noted) };
  }

  /** Says that the records below these prefixes are relied on. */
  note(prefixes: Iterable<string>): void {
    if (this.#watches.size === 0) return;
    for (const prefix of prefixes) for (const watch of this.#watches) watch.add(prefix);
  }

  /** `look` throws where something is missing; `write` depends on what it saw; `undo` takes back what `write` made. `twice`: look again in any case where there are other machines. */
  async write<R>(
    prefixes: readonly string[],
    work: { look: () => Promise<R>; write: (seen: R) => Promise<void>; undo: () => Promise<void>; twice?: boolean },
  ): Promise<void> {
    const { look, write, undo, twice = false } = work;
    this.note(prefixes);
    const begun = performance.now();
    this.#writing.add(prefixes);
    try {
      await write(await look());
    } finally {
      this.#writing.delete(prefixes);
    }
    const { settleMs } = this.storage;
    if (settleMs === 0 || (!twice && performance.now() - begun < settleMs / 2)) return;
    try {
      await look();
    } catch {
      await undo();
      throw new RegistryError("UNKNOWN", "what this names has changed meanwhile; try again", {
        status: 503,
        headers: { "Retry-After": "1" },
      });
    }
  }
}
