/** What a job is given: a signal that aborts when nobody waits for it any more, and where to tell how far it is. */
export interface Job<P> {
  signal: AbortSignal;
  tell: (progress: P) => void;
}

/** Who waits for a job, and how it is begun if nobody has. */
export interface Wish<P> {
  start: (job: Job<P>) => Promise<void>;
  signal: AbortSignal;
  /** Told at once what others were told last. */
  tell: (progress: P) => void;
}

interface Running<P> {
  work: Promise<void>;
  stop: AbortController;
  listeners: Set<(progress: P) => void>;
  last?: P;
}

/**
 * Work that several want at the same time, by a key: it is done once, all see how far it is. It goes on as long as one of them waits. Where it fails in the hands of one who
 * began it, each of the others begins it anew in a way of its own, one after the other.
 */
export class SharedWork<K, P> {
  readonly #running = new Map<K, Running<P>>();

  /** Resolves when the work is done. Throws its error where this wish began it, or the signal's reason: then, if it was the last one, when the work has ended. */
  async join(key: K, wish: Wish<P>): Promise<void> {
    for (;;) {
      wish.signal.throwIfAborted();
      const running = this.#running.get(key);
      if (!running) return this.#wait(this.#begin(key, wish), wish);
      if (running.stop.signal.aborted) {
        await running.work.catch(() => undefined);
        continue;
      }
      try {
        return await this.#wait(running, wish);
      } catch (error) {
        if (wish.signal.aborted) throw error;
      }
    }
  }

  #begin(key: K, { start }: Wish<P>): Running<P> {
    const stop = new AbortController();
    const listeners = new Set<(progress: P) => void>();
    const tell = (progress: P): void => {
      running.last = progress;
      for (const listener of listeners) listener(progress);
    };
    const work = Promise.resolve()
      .then(() => start({ signal: stop.signal, tell }))
      .finally(() => this.#running.delete(key));
    const running: Running<P> = { work, stop, listeners };
    work.catch(() => undefined);
    this.#running.set(key, running);
    return running;
  }

  async #wait({ work, stop, listeners, last }: Running<P>, { signal, tell }: Wish<P>): Promise<void> {
    const listener = (progress: P): void => tell(progress);
    listeners.add(listener);
    if (last !== undefined) tell(last);
    const left = Promise.withResolvers<never>();
    const leave = (): void => left.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await Promise.race([work, left.promise]);
    } catch (error) {
      listeners.delete(listener);
      if (signal.aborted && listeners.size === 0) {
        stop.abort(signal.reason);
        await work.catch(() => undefined);
      }
      throw error;
    } finally {
      signal.removeEventListener("abort", leave);
      listeners.delete(listener);
    }
  }
}
