import { BerthError, isKind, messageOf } from "../spec/errors.ts";
import type { MirrorHealth } from "./health.ts";
import { isTransient, pauseAskedBy } from "./retry.ts";
import type { OnWrong, Repository } from "./types.ts";

const MAX_WORDS = 160;
const MOST_NAMED = 3;
/** Errors within errors: more are not looked at. */
const MOST_CAUSES = 8;
const TOO_MANY_REQUESTS = 429;
const SERVER_ERRORS = 500;

/** A mirror as one of the places of a repository. */
export interface Source {
  url: string;
  /** Its failures are told at once. */
  repository: Repository;
  /** Asks whether it is there, once; the status of its answer. Throws where it is not, or not in time. */
  open(): Promise<number>;
}

/** Where a repository is: mirrors, and the registry itself. */
export interface Places {
  sources: Source[];
  own: Repository;
  health: MirrorHealth;
  /** The registry that the mirrors are of. */
  registry: string;
  signal: AbortSignal | undefined;
  onWrong: OnWrong;
}

/** Whose turn it is; `place` is undefined for the registry itself. */
interface Turn {
  place: Source | undefined;
  repository: Repository;
}

/** One request's way through the places. What happens on it becomes the mirrors' health. */
export class Round {
  #ownError: unknown;
  readonly #passed: string[] = [];

  /** `wrong`: mirrors that are not asked, as what they gave was wrong; by URL, with what was wrong. */
  constructor(
    private readonly places: Places,
    private readonly wrong: ReadonlyMap<string, string> = new Map(),
  ) {
    for (const [url, words] of wrong) this.#pass(url, words);
  }

  /** The mirrors that answer, the registry itself, and where that cannot be asked those that had failed before. Ends when the caller is content. */
  async *turns(): AsyncGenerator<Turn, void, void> {
    const { sources, own } = this.places;
    const skipped: Source[] = [];
    for (const place of sources.filter(({ url }) => !this.wrong.has(url))) {
      const found = await this.#ask(place, { force: false });
      if (found === "good") yield { place, repository: place.repository };
      if (found === "skipped") skipped.push(place);
    }
    yield { place: undefined, repository: own };
    if (!isKind(this.#ownError, "internal")) return;
    for (const place of skipped) {
      if ((await this.#ask(place, { force: true })) === "good") yield { place, repository: place.repository };
    }
  }

  /** A place gave what was asked for. */
  served(place: Source | undefined): void {
    this.places.health.served(this.places.registry, place?.url);
  }

  /** A place did not. Throws where it was the caller who went. */
  failed(place: Source | undefined, error: unknown): void {
    if (this.places.signal?.aborted) throw error;
    if (!place) this.#ownError = error;
    else this.#learn(place, error);
  }

  /** What the registry itself said; where that could not be asked, with what became of the mirrors. */
  error(): unknown {
    const error = this.#ownError;
    if (!(error instanceof BerthError) || error.kind !== "internal" || this.#passed.length === 0) return error;
    const hint = `mirrors passed over: ${this.#passed.slice(0, MOST_NAMED).join("; ")}`;
    return new BerthError(error.kind, error.message, { hint, cause: error });
  }

  #ask(place: Source, { force }: { force: boolean }): Promise<"good" | "bad" | "skipped"> {
    const ask = async (): Promise<string | undefined> => {
      try {
        const status = await place.open();
        if (status !== TOO_MANY_REQUESTS && status < SERVER_ERRORS) return undefined;
        return this.#say(place, new BerthError("internal", `it answers /v2/ with status ${status}`));
      } catch (error) {
        if (this.places.signal?.aborted) throw error;
        return this.#say(place, error);
      }
    };
    return this.places.health.check(place.url, ask, force);
  }

  /** Networks that fail, pauses that are asked for and content that is wrong count against a mirror; what it has not, or has an error with, does not. */
  #learn(place: Source, error: unknown): void {
    const { health, onWrong } = this.places;
    const { url } = place;
    const words = this.#say(place, error);
    const causes = causesOf(error);
    const pause = causes.map(pauseAskedBy).find((ms) => ms !== undefined);
    const network = causes.some((cause) => !(cause instanceof BerthError) && isTransient(cause));
    const absent = isKind(error, "not-found");
    const wrong = isKind(error, "invalid-argument");
    if (wrong) onWrong(url, words);
    if (network || pause !== undefined || wrong) health.failed(url, words, pause);
    else if (absent) health.answered(url);
    if (!absent || /access denied|auth credentials/.test(words)) health.note(url, words);
  }

  /** For people, without what was done about it. */
  #say({ url }: Source, error: unknown): string {
    const innermost = causesOf(error).findLast((cause) => cause instanceof BerthError) ?? error;
    const words = messageOf(innermost).replace(/\s+/g, " ").slice(0, MAX_WORDS);
    this.#pass(url, words);
    return words;
  }

  #pass(url: string, words: string): void {
    const { host } = new URL(url);
    this.#passed.push(words.includes(host) ? words : `${host}: ${words}`);
  }
}

/** An error, and what led to it. */
function causesOf(error: unknown): unknown[] {
  const causes = [error];
  for (let next = error; next instanceof BerthError && next.cause !== undefined && causes.length < MOST_CAUSES; ) {
    next = next.cause;
    causes.push(next);
  }
  return causes;
}
