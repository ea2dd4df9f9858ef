/**
 * Brings a file system to the disk for all who ask, with as few syncs as possible: who asks while one is under way waits for the next one, since only a sync
 * that begins after a write is sure to bring it, and shares it with all others who wait.
 */
export class SharedSync {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `sync` brings everything that was written before it was called to the disk. */
  constructor(private readonly sync: () => Promise<void>) {}

  /** Resolves when all that was written before this call is on the disk; throws what the sync threw. */
  flush(): Promise<void> {
    if (this.#running === undefined) return this.#begin();
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  #begin(): Promise<void> {
    const run = this.sync().finally(() => {
      this.#running = undefined;
    });
    this.#running = run;
    return run;
  }

  async #after(running: Promise<void>): Promise<void> {
    // Its failure is told to those who asked for it.
    await running.catch(() => undefined);
    this.#next = undefined;
    return this.#begin();
  }
}
