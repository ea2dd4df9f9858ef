/** A queue of one: bodies run one after the other, in the order in which they asked. */
export class Lock {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs `body` when all earlier ones have ended, however they ended. */
  run<R>(body: () => Promise<R>): Promise<R> {
    const mine = this.#tail.then(body);
    // The next in line waits for the end of this one; whether it failed is its caller's business.
    this.#tail = mine.catch(() => undefined);
    return mine;
  }
}

/** A promise that is settled from outside. */
export interface Signal<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

/** An unsettled signal. */
export function signal<T>(): Signal<T> {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}

/** Rejects with `reason` when `abort` fires; otherwise as `promise`. The promise itself goes on. */
export function untilAborted<T>(promise: Promise<T>, abort: AbortSignal, reason: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(reason());
    if (abort.aborted) return stop();
    abort.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => abort.removeEventListener("abort", stop));
  });
}
