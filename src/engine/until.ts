import { BerthError } from "../spec/errors.ts";

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const MS = 1000;

/** Milliseconds since 1970 of a Unix time in seconds, an RFC 3339 date, or a Go duration (`10m`, `1h30m`) before now. Throws `invalid-argument`. */
export function parseUntil(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * MS;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length > 0 && parts.map((p) => p[0]).join("") === text) {
    return Date.now() - parts.reduce((sum, p) => sum + Number(p[1]) * (UNITS[p[2] ?? ""] ?? 0), 0);
  }
  const date = Date.parse(text);
  if (Number.isNaN(date)) {
    throw new BerthError("invalid-argument", `failed to parse value as time or duration: "${text}"`);
  }
  return date;
}
