import type { ImageProgress } from "./types.ts";

/** Passes progress from callbacks to a reader that may be slower: of one id only the newest message waits. */
export class ProgressFeed {
  readonly #waiting = new Map<string, ImageProgress>();
  #wake: () => void = () => undefined;

  push(id: string, message: ImageProgress): void {
    this.#waiting.set(id, message);
    this.#wake();
  }

  /** Yields what is pushed until the work has ended, then returns its result or throws its error. A reader that leaves early waits for the work. */
  async *until<T>(work: Promise<T>): AsyncGenerator<ImageProgress, T> {
    let ended = false;
    const finish = (): void => {
      ended = true;
      this.#wake();
    };
    const end = work.then(finish, finish);
    try {
      while (!ended) {
        const woken = new Promise<void>((resolve) => (this.#wake = resolve));
        yield* this.#take();
        if (!ended) await woken;
      }
      yield* this.#take();
      return await work;
    } finally {
      await end;
    }
  }

  *#take(): Generator<ImageProgress> {
    const messages = [...this.#waiting.values()];
    this.#waiting.clear();
    yield* messages;
  }
}
