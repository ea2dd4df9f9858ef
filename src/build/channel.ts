/** Messages from callbacks, read in order by one `for await`. */
export class Channel<T> {
  private readonly waiting: T[] = [];
  private wake: (() => void) | undefined;
  private closed = false;

  push(message: T): void {
    this.waiting.push(message);
    this.wake?.();
  }

  /** No more will come; what waits is still read. */
  close(): void {
    this.closed = true;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const message = this.waiting.shift();
      if (message !== undefined) yield message;
      else if (this.closed) return;
      else await this.next();
    }
  }

  private next(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = () => {
        this.wake = undefined;
        resolve();
      };
    });
  }
}
