import { parseDuration as goDuration } from "../../spec/duration.ts";
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

/** A Go duration in nanoseconds. Throws in Go's words. */
export function parseDuration(text: string): number {
  const nanos = goDuration(text);
  if (typeof nanos === "string") throw new BerthError("invalid-argument", nanos);
  return nanos;
}
