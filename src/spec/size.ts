import { BerthError } from "./errors.ts";

const UNITS: Record<string, number> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** Bytes of `10m`, `1.5g`, `64kb`, `-1`; powers of 1024. Throws `invalid-argument` in Docker's words (go-units, RAMInBytes). */
export function parseSize(text: string): number {
  if (text === "-1") return -1;
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:i?b)?$/i.exec(text.trim());
  const suffix = /^\d+(?:\.\d+)?\s*([a-z]+)$/i.exec(text.trim())?.[1];
  if (!match && suffix) throw new BerthError("invalid-argument", `invalid suffix: '${suffix.toLowerCase()}'`);
  if (!match) throw new BerthError("invalid-argument", `invalid size: '${text}'`);
  return Math.floor(Number(match[1]) * (UNITS[(match[2] ?? "").toLowerCase()] ?? 1));
}
