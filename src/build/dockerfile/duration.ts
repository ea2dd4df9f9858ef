const UNITS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** A Go duration, `1m30s`, in nanoseconds; a string is what is wrong with it, in Go's words. */
export function parseDuration(text: string): number | string {
  if (text === "0") return 0;
  const pattern = /^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([a-zµ]*)/;
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[+-]/, "");
  let total = 0;
  if (rest === "") return `time: invalid duration "${text}"`;
  while (rest !== "") {
    const match = pattern.exec(rest);
    if (!match) return `time: invalid duration "${text}"`;
    const unit = match[2] ?? "";
    const factor = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
    if (unit === "") return `time: missing unit in duration "${text}"`;
    if (factor === undefined) return `time: unknown unit "${unit}" in duration "${text}"`;
    total += Number(match[1]) * factor;
    rest = rest.slice(match[0].length);
  }
  return sign * Math.round(total);
}
