import type { ProgressLine } from "../client/images.ts";
import { humanSize } from "./format/units.ts";

/** The rate is that of the last while, in milliseconds: long enough to be calm, short enough to follow a network. */
const WINDOW = 5000;
/** Less than this tells nothing yet. */
const LEAST = 500;
const SECOND = 1000;
const MINUTE = 60;
const HOUR = 3600;
/** Longer than this nobody waits, or believes. In seconds. */
const MAX_LEFT = 99 * HOUR;

interface Sample {
  at: number;
  bytes: number;
}

/** How fast each line of a progress stream goes, and how long it will take. */
export class Rates {
  readonly #lines = new Map<string, { status: string; samples: Sample[] }>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** `5.2MB/s 12s` for a line in its middle, else nothing: at its beginning, at its end, and where it says no bytes. Each new state of a line is measured anew. */
  of({ id = "", status = "", progressDetail }: ProgressLine): string {
    const { current, total } = progressDetail ?? {};
    if (current === undefined || !total) {
      this.#lines.delete(id);
      return "";
    }
    const samples = this.#samples(id, status, current);
    const first = samples[0];
    const last = samples.at(-1);
    if (!first || !last || last.at - first.at < LEAST || current >= total) return "";
    const perSecond = ((last.bytes - first.bytes) * SECOND) / (last.at - first.at);
    if (perSecond < 1) return "";
    return `${humanSize(perSecond, 3)}/s ${span((total - current) / perSecond)}`.trimEnd();
  }

  /** Those of the last while, and the one before. A line that went back begins anew. */
  #samples(id: string, status: string, bytes: number): Sample[] {
    const known = this.#lines.get(id);
    const at = this.now();
    const goesOn = known?.status === status && (known.samples.at(-1)?.bytes ?? 0) <= bytes;
    const samples = goesOn ? known.samples : [];
    samples.push({ at, bytes });
    while (samples[1] && samples[1].at < at - WINDOW) samples.shift();
    this.#lines.set(id, { status, samples });
    return samples;
  }
}

/** Two units at most: `12s`, `1m05s`, `2h03m`. */
function span(left: number): string {
  const seconds = Math.ceil(left);
  if (seconds > MAX_LEFT) return "";
  const two = (n: number): string => String(n).padStart(2, "0");
  if (seconds < MINUTE) return `${seconds}s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)}m${two(seconds % MINUTE)}s`;
  return `${Math.floor(seconds / HOUR)}h${two(Math.floor((seconds % HOUR) / MINUTE))}m`;
}
