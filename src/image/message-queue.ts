/**
 * Passes messages from work that goes on to a reader that may be slower, in their order. A message with a key takes the place of the one of that
 * key that still waits at the end of its line, so that progress never piles up.
 */
export class MessageQueue<T> {
  readonly #waiting: { message: T; key?: string | undefined }[] = [];
  #wake: () => void = () => undefined;

  push(message: T, key?: string): void {
    const last = key === undefined ? -1 : this.#waiting.findLastIndex((w) => w.key === key);
    if (last >= 0) this.#waiting[last] = { message, key };
    else this.#waiting.push({ message, key });
    this.#wake();
  }

  /** Yields what is pushed until the work has ended, then returns its result or throws its error. A reader that leaves early waits for the work. */
  async *until<R>(work: Promise<R>): AsyncGenerator<T, R> {
    let ended = false;
    const finish = (): void => {
      ended = true;
      this.#wake();
    };
    const end = work.then(finish, finish);
    try {
      for (;;) {
        for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) yield next.message;
        if (ended) return await work;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (ended || this.#waiting.length > 0) resolve();
        });
      }
    } finally {
      await end;
    }
  }
}
