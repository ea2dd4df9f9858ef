import { constants } from "node:os";
import { BerthError } from "../spec/errors.ts";

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The number of `SIGTERM`, `term`, `15`, `RTMIN+3`. Throws `invalid-argument` in Docker's words. */
export function parseSignal(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : named(text.toUpperCase().replace(/^SIG/, ""));
  if (number === undefined || number < 1 || number > SIGRTMAX) {
    throw new BerthError("invalid-argument", `invalid signal: ${text}`);
  }
  return number;
}

/** `SIGTERM` for 15; the bare number where it has no name. */
export function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, n]) => n === number)?.[0] ?? String(number);
}

function named(name: string): number | undefined {
  const real = /^RT(MIN|MAX)(?:([+-]\d+))?$/.exec(name);
  if (real) return (real[1] === "MIN" ? SIGRTMIN : SIGRTMAX) + Number(real[2] ?? 0);
  return (constants.signals as Record<string, number>)[`SIG${name}`];
}
