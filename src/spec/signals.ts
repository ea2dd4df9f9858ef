import { constants } from "node:os";
import { BerthError } from "./errors.ts";

const NUMBERS: Record<string, number> = constants.signals;
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The number of `SIGTERM`, `term`, `15`, `RTMIN+3` (signal(7)). Throws `invalid-argument` in Docker's words. */
export function parseSignal(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : named(text.toUpperCase().replace(/^SIG/, ""));
  if (number === undefined || number < 1 || number > SIGRTMAX) {
    throw new BerthError("invalid-argument", `invalid signal: ${text}`);
  }
  return number;
}

/** `SIGTERM` for 15; the bare number where it has no name. */
export function signalName(number: number): string {
  return Object.entries(NUMBERS).find(([, n]) => n === number)?.[0] ?? String(number);
}

/** Real-time signals count up to 15 from the first and down to 14 from the last, as in Docker's table. */
function named(name: string): number | undefined {
  const real = /^RT(?:MIN(?:\+(\d|1[0-5]))?|MAX(?:-(\d|1[0-4]))?)$/.exec(name);
  if (real) return name.startsWith("RTMIN") ? SIGRTMIN + Number(real[1] ?? 0) : SIGRTMAX - Number(real[2] ?? 0);
  return NUMBERS[`SIG${name}`];
}
