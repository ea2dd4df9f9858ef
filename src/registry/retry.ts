import type { FetchAnswer } from "../host/fetch.ts";
import { BerthError, errnoOf } from "../spec/errors.ts";

/** How a failing network is dealt with. Times in milliseconds. */
export interface RetryOptions {
  /** Failures in a row, without progress between them, that are waited out. */
  attempts: number;
  /** The first wait; each further one is longer. */
  waitMs: number;
  /** A connection that brings nothing for so long counts as failed. */
  stallMs: number;
}

/** What is done where nothing else is asked for. */
export const RETRY: RetryOptions = { attempts: 5, waitMs: 1000, stallMs: 30_000 };

/** Told each second of a wait how many are left. */
export type OnWait = (seconds: number) => void;

const GROWTH = [1, 2, 5, 10, 20];
/** A registry that asks for a longer pause is told of as an error. */
const MAX_PAUSE_MS = 120_000;
const SECOND = 1000;

/** The `code` of a connection that was given up on, as nothing moved. */
export const STALLED = "STALLED";

/** What the network does, rather than what a registry says: `code` of the errors. */
const NETWORK = new Set([
  STALLED,
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "ConnectionClosed",
  "ConnectionRefused",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
  "FailedToOpenSocket",
]);
const STATUSES = new Set([408, 429, 500, 502, 503, 504]);

/** Errors that may be gone the next time, with the pause that the registry asked for. Beside the errors, as what they say to people is the same. */
const PAUSES = new WeakMap<object, number | undefined>();

/** Marks an error that came of the network's failure, or that came with such a `status`, as one to try again after. Returns it. */
export function markTransient(error: BerthError, why: { network: unknown } | { answer: FetchAnswer }): BerthError {
  if ("network" in why) {
    if (NETWORK.has(errnoOf(why.network) ?? "")) PAUSES.set(error, undefined);
  } else if (STATUSES.has(why.answer.status)) PAUSES.set(error, pauseOf(why.answer));
  return error;
}

/** Takes the mark away: the first contact with a registry fails at once, as a wrong name or port does not heal. */
export function markFinal(error: unknown): unknown {
  if (typeof error === "object" && error !== null) PAUSES.delete(error);
  return error;
}

/** Whether trying again may help. */
export function isTransient(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  return PAUSES.has(error) || NETWORK.has(errnoOf(error) ?? "");
}

/** The pause that a registry asked for, in milliseconds. */
export function pauseAskedBy(error: unknown): number | undefined {
  return typeof error === "object" && error !== null ? PAUSES.get(error) : undefined;
}

/** `Retry-After` (RFC 9110, section 10.2.3) in milliseconds. A date counts from the registry's own clock, where it tells that. */
function pauseOf(answer: FetchAnswer): number | undefined {
  const text = answer.header("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * SECOND;
  const at = Date.parse(text);
  if (Number.isNaN(at)) return undefined;
  const now = Date.parse(answer.header("date") ?? "");
  return Math.max(0, at - (Number.isNaN(now) ? Date.now() : now));
}

/** The failures of one piece of work, in a row. */
export class Retries {
  #failed = 0;

  constructor(
    private readonly options: RetryOptions,
    private readonly how: { signal?: AbortSignal | undefined; onWait?: OnWait | undefined; advice?: string } = {},
  ) {}

  /** The work has come forward: failures count from the first again. */
  progress(): void {
    this.#failed = 0;
  }

  /** Resolves when it is time for the next attempt. Throws the error where there is to be none, or the signal's reason. */
  async after(error: unknown): Promise<void> {
    const { signal } = this.how;
    if (signal?.aborted || !isTransient(error)) throw error;
    const pause = PAUSES.get(error as object) ?? 0;
    if (pause > MAX_PAUSE_MS) throw hinted(error, `the registry asks for a pause of ${Math.ceil(pause / SECOND)} s`);
    if (this.#failed >= this.options.attempts)
      throw hinted(error, `tried ${times(this.#failed + 1)}; ${this.how.advice ?? "try again later"}`);
    const growth = GROWTH[Math.min(this.#failed, GROWTH.length - 1)] ?? 1;
    this.#failed++;
    await this.#wait(Math.max(pause, growth * this.options.waitMs));
  }

  /** Does the work until it succeeds, or fails for good. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.after(error);
      }
    }
  }

  async #wait(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= SECOND) {
      this.how.onWait?.(Math.ceil(left / SECOND));
      await pause(Math.min(left, SECOND), this.how.signal);
    }
  }
}

function times(n: number): string {
  return n === 1 ? "once" : `${n} times`;
}

function hinted(error: unknown, hint: string): unknown {
  if (!(error instanceof BerthError)) return error;
  if (!error.message.endsWith(")")) return new BerthError(error.kind, error.message, { hint, cause: error });
  return new BerthError(error.kind, `${error.message.slice(0, -1)}; ${hint})`, { cause: error });
}

/** Waits, but no longer than until the signal, whose reason it throws. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, ms);
    signal?.addEventListener("abort", leave, { once: true });
    if (signal?.aborted) leave();
  });
}
