import type { WaitResult } from "./container.ts";

const KEPT_MS = 60_000;
const KEPT_MOST = 1000;

/**
 * How containers ended that removed themselves a moment ago. Clients that start a container with AutoRemove and only then ask for its end
 * (dockerode's `run`) have their answer from here where the container was faster than they. In memory, bounded in number and time.
 */
export class Departed {
  readonly #ends = new Map<string, { result: WaitResult; at: number }>();
  readonly #now: () => number;

  /** `now` answers milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  add(id: string, result: WaitResult): void {
    this.#ends.set(id, { result, at: this.#now() });
    this.#forget();
  }

  /** By full id; undefined where it is unknown, or was too long ago. */
  get(id: string): WaitResult | undefined {
    this.#forget();
    return this.#ends.get(id)?.result;
  }

  /** A map has its entries in the order of their coming: the oldest is first. */
  #forget(): void {
    const limit = this.#now() - KEPT_MS;
    for (const [id, { at }] of this.#ends) {
      if (at >= limit && this.#ends.size <= KEPT_MOST) break;
      this.#ends.delete(id);
    }
  }
}
