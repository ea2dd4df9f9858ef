/** Messages from callbacks, read in order by one `for await`. */
export class Channel<T> {
  private readonly waiting: { message: T; bytes: number }[] = [];
  private waitingBytes = 0;
  private wake: (() => void) | undefined;
  private closed = false;

  /** `limit`: bytes that `offer` lets wait for a slow reader. What is pushed waits without limit. */
  constructor(private readonly limit = 0) {}

  push(message: T): void {
    this.add(message, 0);
  }

  /** As `push`, but false, and nothing is kept, where too much waits already. */
  offer(message: T, bytes: number): boolean {
    if (this.waitingBytes + bytes > this.limit) return false;
    this.add(message, bytes);
    return true;
  }

  /** No more will come; what waits is still read. */
  close(): void {
    this.closed = true;
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const next = this.waiting.shift();
      if (next) {
        this.waitingBytes -= next.bytes;
        yield next.message;
      } else if (this.closed) return;
      else await this.more();
    }
  }

  private add(message: T, bytes: number): void {
    this.waiting.push({ message, bytes });
    this.waitingBytes += bytes;
    this.wake?.();
  }

  private more(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = () => {
        this.wake = undefined;
        resolve();
      };
    });
  }
}
