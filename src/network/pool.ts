import { messageOf } from "../spec/errors.ts";

/** How a pool makes its things. */
export interface PoolOptions<T> {
  /** How many to keep ready. 0: all are made to order. */
  size: number;
  make: () => Promise<T>;
  log: (line: string) => void;
}

interface Waiter<T> {
  resolve: (thing: T) => void;
  reject: (error: unknown) => void;
}

/** At most so many are made at once: more only wait for the kernel's one lock over all links. */
const PARALLEL = 4;
/** Refilling waits until nobody has taken anything for so long: a burst is served first. A steady trickle is met earlier, when `LOW` are left. */
const QUIET_MS = 100;
const LOW = 1;
/** A hint that the host has a moment is acted on after so long, so that what gave it is answered first. */
const HINT_MS = 10;

/**
 * Things made before they are needed. `take` gives a ready one at once, else the next that gets finished; who waits
 * comes before refilling. Lives in memory only: what a killed daemon left is swept at the next start.
 */
export class Pool<T> {
  readonly #ready: { thing: T; turn: number }[] = [];
  #turns = 0;
  readonly #waiters: Waiter<T>[] = [];
  readonly #making = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #hint: NodeJS.Timeout | undefined;
  #refilling = false;
  #open = true;

  constructor(readonly options: PoolOptions<T>) {}

  /** How many are ready now. */
  get ready(): number {
    return this.#ready.length;
  }

  /** Rejects with the maker's error. */
  take(): Promise<T> {
    const first = this.#ready.shift();
    this.#schedule();
    if (first) return Promise.resolve(first.thing);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#pump();
    });
  }

  /** Gives back a thing that was taken and not used. */
  put(thing: T): void {
    this.#deliver(thing, 0);
  }

  /** Starts filling up, in the background. */
  fill(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#refilling = this.#open;
    this.#pump();
  }

  /** A hint that one was used up: makes one, unless something is being made. One after the other they delay nobody, while a whole refill does. */
  topUp(): void {
    if (!this.#open || this.#hint) return;
    this.#hint = setTimeout(() => {
      this.#hint = undefined;
      if (this.#making.size === 0 && this.#ready.length < this.options.size) this.#start();
    }, HINT_MS);
    this.#hint.unref();
  }

  /** Resolves when the pool is full and nothing is being made, or when making has failed. */
  async idle(): Promise<void> {
    if (this.#timer) this.fill();
    while (this.#making.size > 0) await Promise.all(this.#making);
  }

  /** Ends refilling for good and hands over everything that is ready. Who still waits is served. */
  async drain(): Promise<T[]> {
    this.#open = false;
    this.#refilling = false;
    clearTimeout(this.#hint);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#making.size > 0) await Promise.all(this.#making);
    return this.#ready.splice(0).map((r) => r.thing);
  }

  #schedule(): void {
    if (!this.#open || this.options.size === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.fill(), this.#ready.length === LOW ? 0 : QUIET_MS);
    this.#timer.unref();
  }

  #wanted(): number {
    const stock = this.#refilling ? Math.max(0, this.options.size - this.#ready.length) : 0;
    return this.#waiters.length + stock;
  }

  #pump(): void {
    while (this.#making.size < Math.min(PARALLEL, this.#wanted())) this.#start();
  }

  #start(): void {
    const turn = ++this.#turns;
    const one: Promise<void> = this.options
      .make()
      .then(
        (thing) => this.#deliver(thing, turn),
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        this.#making.delete(one);
        this.#pump();
      });
    this.#making.add(one);
  }

  /** Ready things are given out in the order in which their making began, so that addresses count up. */
  #deliver(thing: T, turn: number): void {
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter.resolve(thing);
      return;
    }
    this.#ready.push({ thing, turn });
    this.#ready.sort((a, b) => a.turn - b.turn);
    if (this.#ready.length >= this.options.size) this.#refilling = false;
  }

  /** A failure ends refilling until the next `take`, so that a broken host is not hammered. */
  #fail(error: unknown): void {
    this.#refilling = false;
    const waiter = this.#waiters.shift();
    if (waiter) waiter.reject(error);
    else this.options.log(`network: cannot prepare a namespace: ${messageOf(error)}`);
  }
}
