import type { Filters } from "../image/types.ts";
import type { EventMessage } from "../spec/engine-api.ts";
import type { Container } from "./container.ts";
import { matchesEvent } from "./event-filter.ts";

const PAST = 512;
const QUEUE_MAX = 10_000;
const NANOS_PER_MS = 1_000_000;
const NANOS_PER_SECOND = 1_000_000_000n;

/** An event with the older names of its fields, which clients still read. */
export type Event = EventMessage & { status?: string; id?: string; from?: string };

/** The engine's events: the last 512 are kept for `since`; each listener has a bounded queue and is dropped where it does not read. */
export class EventBus {
  readonly #past: Event[] = [];
  readonly #listeners = new Set<(event: Event) => void>();
  #lastNano = 0n;

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Records and delivers an event that happens now, to the millisecond; those of one millisecond follow by a nanosecond each. `timeNano` never goes back. */
  emit(
    type: NonNullable<EventMessage["Type"]>,
    action: string,
    actor: { id: string; attributes?: Record<string, string> },
  ): void {
    // The clock that clients read: a finer one of our own would be ahead of it by up to a millisecond.
    const now = BigInt(Date.now()) * BigInt(NANOS_PER_MS);
    this.#lastNano = now > this.#lastNano ? now : this.#lastNano + 1n;
    const event: Event = {
      ...legacyFields(type, action, actor),
      Type: type,
      Action: action,
      Actor: { ID: actor.id, Attributes: actor.attributes ?? {} },
      scope: "local",
      time: Number(this.#lastNano / NANOS_PER_SECOND),
      timeNano: Number(this.#lastNano),
    };
    this.#past.push(event);
    if (this.#past.length > PAST) this.#past.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Events from `since` on (milliseconds since 1970; undefined: from now on), until `until` or the signal. Those of one turn of the event loop come together. */
  async *stream(options: {
    since?: number;
    until?: number;
    filters: Filters;
    signal: AbortSignal;
  }): AsyncGenerator<Event[]> {
    const { since, until = Number.POSITIVE_INFINITY, filters, signal } = options;
    let queue: Event[] = since === undefined ? [] : this.#past.filter((e) => millis(e) >= since);
    let wake: () => void = () => undefined;
    let overrun = false;
    const listener = (event: Event): void => {
      if (queue.length >= QUEUE_MAX) overrun = true;
      else if (queue.push(event) === 1) setImmediate(() => wake());
    };
    this.#listeners.add(listener);
    const stop = (): void => wake();
    signal.addEventListener("abort", stop);
    // setTimeout takes at most 2^31-1 ms; a later end needs no timer in practice.
    const left = until - Date.now();
    const timer = left < 2 ** 31 ? setTimeout(stop, Math.max(0, left)) : undefined;
    try {
      for (;;) {
        const [batch, late] = split(queue, until);
        queue = [];
        const wanted = batch.filter((event) => matchesEvent(event, filters));
        if (wanted.length > 0) yield wanted;
        if (late) return;
        if (queue.length > 0) continue;
        if (signal.aborted || overrun || Date.now() >= until) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      this.#listeners.delete(listener);
    }
  }
}

/** An event of a container, with the attributes that Docker gives: image, name and labels. */
export function emitContainer(
  bus: EventBus,
  container: Container,
  action: string,
  extra: Record<string, string> = {},
): void {
  const { id, name, imageName, config } = container.record;
  bus.emit("container", action, { id, attributes: { ...config.Labels, image: imageName, name, ...extra } });
}

function legacyFields(
  type: string,
  action: string,
  actor: { id: string; attributes?: Record<string, string> },
): Partial<Event> {
  if (type === "image") return { status: action, id: actor.id };
  if (type !== "container") return {};
  return { status: action, id: actor.id, from: actor.attributes?.["image"] ?? "" };
}

/** The events up to `until`, and whether there are later ones. */
function split(events: Event[], until: number): [batch: Event[], late: boolean] {
  const end = events.findIndex((event) => millis(event) > until);
  return end < 0 ? [events, false] : [events.slice(0, end), true];
}

function millis(event: Event): number {
  return (event.timeNano ?? 0) / NANOS_PER_MS;
}
