/** How long a mirror that fails is passed over. Times in milliseconds. */
export interface HealthOptions {
  /** For the first answer of a mirror, connection included. */
  answerMs: number;
  /** After the first failure; twice as long after each further one. */
  pauseMs: number;
  /** The longest pause. */
  maxPauseMs: number;
}

/** What is done where nothing else is asked for. */
export const HEALTH: HealthOptions = { answerMs: 1000, pauseMs: 30_000, maxPauseMs: 600_000 };

const MAX_WORDS = 200;

/** What is known of one mirror. Times in milliseconds since 1970. */
export interface MirrorState {
  url: string;
  /** `untried`: not asked since the daemon's start. `serving`: its last answer was a good one, if it only was that it has not what was asked for. */
  state: "untried" | "serving" | "failing";
  /** Failing since then, and passed over until `retry`. */
  since?: number;
  retry?: number;
  /** What went wrong last, in one line; also of a mirror that serves again. */
  error?: string;
  /** When it gave what was asked for last. */
  served?: number;
}

interface Known {
  failures: number;
  /** By the clock that only goes forward. */
  until: number;
  since: number;
  answered: boolean;
  error?: string;
  served?: number;
  checking?: Promise<void>;
}

/**
 * Which mirrors fail, in memory, for all who ask: a mirror that failed is passed over for a growing time, after which one request tries it while others wait for
 * what comes of it. What mirrors do not have is no failure.
 */
export class MirrorHealth {
  readonly #known = new Map<string, Known>();
  readonly #last = new Map<string, { by: string; at: number }>();
  readonly options: HealthOptions;

  constructor(options: Partial<HealthOptions> = {}) {
    this.options = { ...HEALTH, ...options };
  }

  /** True while a mirror is to be passed over. */
  failing(url: string): boolean {
    return this.#of(url).until > performance.now();
  }

  /**
   * Asks a mirror whether it is there, unless it is to be passed over and `force` does not say otherwise. `ask` gives undefined where it is, else what is wrong, which
   * counts as a failure. Who comes meanwhile to a mirror that has not been good last waits for what comes of it.
   */
  async check(url: string, ask: () => Promise<string | undefined>, force = false): Promise<"good" | "bad" | "skipped"> {
    const known = this.#of(url);
    while (known.checking) await known.checking;
    if (this.failing(url) && !force) return "skipped";
    const { promise, resolve } = Promise.withResolvers<void>();
    if (known.failures > 0 || !known.answered) known.checking = promise;
    try {
      const wrong = await ask();
      if (wrong === undefined) {
        known.until = 0;
        known.answered = true;
        return "good";
      }
      this.failed(url, wrong);
      return "bad";
    } finally {
      if (known.checking === promise) delete known.checking;
      resolve();
    }
  }

  /** Passes a mirror over from now on: for `pauseMs` where it asked for that, else longer each time. Failures of one pause count once. */
  failed(url: string, why: string, pauseMs?: number): void {
    const known = this.#of(url);
    this.note(url, why);
    if (this.failing(url)) return;
    if (known.failures === 0) known.since = Date.now();
    const { pauseMs: first, maxPauseMs } = this.options;
    known.until = performance.now() + Math.min(maxPauseMs, pauseMs ?? first * 2 ** known.failures);
    known.failures++;
    known.answered = false;
  }

  /** Keeps what went wrong for people to see. */
  note(url: string, why: string): void {
    this.#of(url).error = why.replace(/\s+/g, " ").slice(0, MAX_WORDS);
  }

  /** A mirror, or without `url` the registry itself, gave what was asked for. */
  served(registry: string, url?: string): void {
    const at = Date.now();
    this.#last.set(registry, { by: url ?? registry, at });
    if (url === undefined) return;
    this.answered(url);
    this.#of(url).served = at;
  }

  /** A mirror is as it should be. */
  answered(url: string): void {
    Object.assign(this.#of(url), { failures: 0, until: 0, answered: true });
  }

  /** Who gave something of a registry last: a mirror's URL, or the registry's own name. */
  last(registry: string): { by: string; at: number } | undefined {
    return this.#last.get(registry);
  }

  /** For people. */
  state(url: string): MirrorState {
    const { failures, since, until, answered, error, served } = this.#of(url);
    const left = until - performance.now();
    return {
      url,
      state: failures > 0 ? "failing" : answered ? "serving" : "untried",
      ...(failures > 0 ? { since, retry: Date.now() + Math.max(0, Math.round(left)) } : {}),
      ...(error === undefined ? {} : { error }),
      ...(served === undefined ? {} : { served }),
    };
  }

  /** Forgets mirrors that are configured no more. */
  keep(urls: readonly string[]): void {
    for (const url of this.#known.keys()) if (!urls.includes(url)) this.#known.delete(url);
  }

  #of(url: string): Known {
    const known = this.#known.get(url) ?? { failures: 0, until: 0, since: 0, answered: false };
    this.#known.set(url, known);
    return known;
  }
}
