import { RegistryError } from "../errors.ts";

/** How much may be held at once, and how long one waits for it. */
export interface RoomOptions {
  /** Of all that is held. */
  bytes: number;
  /** For room; who has none by then is told to come again. Milliseconds. */
  waitMs: number;
  /** While others wait, a body that hardly comes forward for so long gives its room up. Milliseconds. */
  patienceMs: number;
}

/** A part of the room. Disposing of it gives it back. */
export interface Place extends Disposable {
  /** Aborted where the room is wanted for others: what has come of the body is to be let go of. */
  readonly wanted: AbortSignal;
  /** So many bytes of the body have come. */
  came(bytes: number): void;
  /** The body is here: from now on the place is not wanted. */
  arrived(): void;
}

interface Held {
  /** Bytes since the last look. */
  came: number;
  /** Looks at which hardly anything had come. */
  slow: number;
  wanted: AbortController;
}

interface Waiting {
  bytes: number;
  enter(): void;
}

const AGAIN_SECONDS = 5;
/** In a body's time: as many looks at how it comes forward, and at each so many bytes do. */
const LOOKS = 5;
const LEAST_BYTES = 64 * 1024;

/**
 * Room for what is held in memory whole, shared by all requests. Who comes first is served first; the others wait, and their clients with them, as nothing of their
 * bodies is read. A body that does not come keeps others waiting for no longer than `patienceMs`; time in which this process could not read does not count.
 */
export class Room {
  #free: number;
  readonly #waiting = new Set<Waiting>();
  /** Whose bodies are on their way, the oldest first. */
  readonly #coming = new Set<Held>();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: RoomOptions) {
    this.#free = options.bytes;
  }

  /** Not more than all of the room. Throws TOOMANYREQUESTS where there is none in time, or the client has gone. */
  async take(bytes: number, signal: AbortSignal): Promise<Place> {
    if (signal.aborted) throw busy();
    if (this.#waiting.size > 0 || bytes > this.#free) await this.#turn(bytes, signal);
    else this.#free -= bytes;
    const held = { came: 0, slow: 0, wanted: new AbortController() };
    this.#coming.add(held);
    let left = false;
    return {
      wanted: held.wanted.signal,
      came: (bytes) => {
        held.came += bytes;
      },
      arrived: () => void this.#coming.delete(held),
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        this.#coming.delete(held);
        this.#free += bytes;
        this.#admit();
      },
    };
  }

  /** Resolves when the bytes have been set aside. */
  async #turn(bytes: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const one: Waiting = { bytes, enter: resolve };
    const leave = (): void => reject(busy());
    const timer = setTimeout(() => reject(busy()), this.options.waitMs);
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting.add(one);
    this.#watch();
    try {
      await promise;
    } catch (error) {
      this.#waiting.delete(one);
      this.#admit();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
    }
  }

  #admit(): void {
    for (const one of this.#waiting) {
      if (one.bytes > this.#free) break;
      this.#free -= one.bytes;
      this.#waiting.delete(one);
      one.enter();
    }
    this.#watch();
  }

  /** Looks now and then while somebody waits. */
  #watch(): void {
    if (this.#timer || this.#waiting.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look();
      this.#watch();
    }, this.options.patienceMs / LOOKS);
  }

  /** Takes the room of at most one: only when that is back it shows whether it is enough. */
  #look(): void {
    for (const held of this.#coming) {
      if (held.came < LEAST_BYTES) held.slow++;
      held.came = 0;
    }
    const slowest = [...this.#coming].find(({ slow }) => slow >= LOOKS);
    if (!slowest || this.#waiting.size === 0) return;
    this.#coming.delete(slowest);
    slowest.wanted.abort(busy());
  }
}

/** Told to clients that are to come again. */
function busy(): RegistryError {
  return new RegistryError("TOOMANYREQUESTS", "too much is being pushed at once; try again", {
    status: 503,
    headers: { "Retry-After": String(AGAIN_SECONDS) },
  });
}
