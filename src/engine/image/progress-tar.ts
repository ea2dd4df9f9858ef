/** A tar that is being made, with what its maker says meanwhile. */
export interface ProgressTar {
  /** Throws where making it fails, before its end. */
  bytes: AsyncIterable<Uint8Array>;
  /** Ends with the tar. */
  lines: AsyncIterable<string>;
  /** No more lines come, the maker has ended and its temporary files are gone. Repeatable. */
  finish(): Promise<void>;
  /** Stops the maker; `bytes` throws then. */
  cancel(): Promise<void>;
}

/** Lines from a producer to one reader; the reader waits, the producer never does. */
export class LineQueue implements AsyncIterable<string> {
  readonly #lines: string[] = [];
  #ended = false;
  #wake: () => void = () => undefined;

  push(line: string): void {
    this.#lines.push(line);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) yield line;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
