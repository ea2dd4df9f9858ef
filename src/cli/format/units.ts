import { BerthError } from "../../spec/errors.ts";

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** Four significant digits in powers of 1000, as Docker writes sizes: `0B`, `2.065MB`, `1.5GB`. */
export function humanSize(bytes: number, precision = 4): string {
  return scaled(bytes, { base: 1000, units: DECIMAL, precision });
}

/** Three significant digits: the sizes of layers and images in tables. */
export function humanSizeShort(bytes: number): string {
  return humanSize(bytes, 3);
}

/** In powers of 1024: `23.54GiB`, `900KiB`. */
export function binarySize(bytes: number): string {
  return scaled(bytes, { base: 1024, units: BINARY, precision: 4 });
}

function scaled(bytes: number, how: { base: number; units: string[]; precision: number }): string {
  let value = bytes;
  let unit = 0;
  while (value >= how.base && unit < how.units.length - 1) {
    value /= how.base;
    unit++;
  }
  return goGeneral(value, how.precision) + how.units[unit];
}

/** Go's `%.<precision>g`: significant digits, trailing zeros dropped, an exponent for what does not fit. */
export function goGeneral(value: number, precision: number): string {
  if (value === 0) return "0";
  const exponent = Number(value.toExponential(precision - 1).split("e")[1]);
  if (exponent < -4 || exponent >= precision) {
    const [digits = "", exp = ""] = value.toExponential(precision - 1).split("e");
    const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
    return `${short}e${exp.startsWith("-") ? "-" : "+"}${exp.replace(/^[+-]/, "").padStart(2, "0")}`;
  }
  const fixed = value.toPrecision(precision);
  return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
}

const SECOND = 1;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** A span in seconds in Docker's words: `Less than a second`, `About a minute`, `3 hours`, `2 weeks`. */
export function humanDuration(span: number): string {
  const seconds = Math.trunc(span);
  const hours = Math.floor(span / HOUR + 0.5);
  if (seconds < 1) return "Less than a second";
  if (seconds === SECOND) return "1 second";
  if (seconds < MINUTE) return `${seconds} seconds`;
  const minutes = Math.trunc(span / MINUTE);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.trunc(span / YEAR)} years`;
}

const SUFFIX: Record<string, number> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** A size as people write it, in powers of 1024: `64`, `512k`, `1.5g`, `2GiB`, `10 MB`. Throws in Docker's words. */
export function parseSize(text: string): number {
  const match = /^(-?[\d.]+) ?(.*)$/.exec(text);
  if (!match || Number.isNaN(Number(match[1]))) throw new BerthError("invalid-argument", `invalid size: '${text}'`);
  const value = Number(match[1]);
  if (value < 0) throw new BerthError("invalid-argument", `invalid size: '${text}'`);
  const suffix = (match[2] ?? "").toLowerCase();
  const unit = /^([kmgtp]?)(?:i?b)?$/.exec(suffix);
  if (!unit || suffix === "ib") throw new BerthError("invalid-argument", `invalid suffix: '${suffix}'`);
  return Math.trunc(value * 1024 ** (SUFFIX[unit[1] ?? ""] ?? 0));
}

const DURATION_UNITS: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go's durations, in nanoseconds: `1h30m`, `1.5s`, `-10ms`, `0`. Throws in Go's words. */
export function parseDuration(text: string): number {
  const shown = JSON.stringify(text);
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  if (!/^(?:\d*\.?\d+|\d+\.)/.test(body)) throw new BerthError("invalid-argument", `time: invalid duration ${shown}`);
  let total = 0;
  let at = 0;
  for (const part of body.matchAll(/(\d+\.?\d*|\.\d+)([^\d.]*)/gy)) {
    const unit = part[2] ?? "";
    const factor = DURATION_UNITS[unit];
    if (unit === "") throw new BerthError("invalid-argument", `time: missing unit in duration ${shown}`);
    if (factor === undefined)
      throw new BerthError("invalid-argument", `time: unknown unit "${unit}" in duration ${shown}`);
    total += Number(part[1]) * factor;
    at = part.index + part[0].length;
  }
  if (at !== body.length) throw new BerthError("invalid-argument", `time: invalid duration ${shown}`);
  return sign * Math.round(total);
}
