const NANOS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const MINUTE = 60;
const HOUR = 3600;
const DAY_HOURS = 24;

/** A duration as Go writes it (`1h30m`, `1.5s`, `-10ms`, `0`) in nanoseconds; a string is what is wrong with it, in Go's words. */
export function parseDuration(text: string): number | string {
  const shown = JSON.stringify(text);
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  if (!/^(?:\d*\.?\d+|\d+\.)/.test(body)) return `time: invalid duration ${shown}`;
  let total = 0;
  let end = 0;
  for (const part of body.matchAll(/(\d+\.?\d*|\.\d+)([^\d.]*)/gy)) {
    const [all, number, unit = ""] = part;
    if (unit === "") return `time: missing unit in duration ${shown}`;
    const factor = Object.hasOwn(NANOS, unit) ? NANOS[unit] : undefined;
    if (factor === undefined) return `time: unknown unit "${unit}" in duration ${shown}`;
    total += Number(number) * factor;
    end = part.index + all.length;
  }
  if (end !== body.length) return `time: invalid duration ${shown}`;
  return (text.startsWith("-") ? -1 : 1) * Math.round(total);
}

/** Nanoseconds as Go prints a duration: `1h30m0s`, `1.5s`, `10ms`, `0s`. */
export function durationText(nanos: number): string {
  const sign = nanos < 0 ? "-" : "";
  const size = Math.abs(nanos);
  if (size === 0) return "0s";
  if (size < 1e9) {
    const [unit, factor] = size < 1e3 ? ["ns", 1] : size < 1e6 ? ["µs", 1e3] : ["ms", 1e6];
    return `${sign}${size / factor}${unit}`;
  }
  const seconds = Math.floor(size / 1e9);
  const fraction = String(size % 1e9)
    .padStart(9, "0")
    .replace(/0+$/, "");
  const [hours, minutes] = [Math.floor(seconds / HOUR), Math.floor((seconds % HOUR) / MINUTE)];
  const rest = `${seconds % MINUTE}${fraction === "" ? "" : `.${fraction}`}s`;
  return sign + (hours > 0 ? `${hours}h${minutes}m${rest}` : minutes > 0 ? `${minutes}m${rest}` : rest);
}

/** A span in Docker's words (go-units, HumanDuration): `Less than a second`, `5 seconds`, `About a minute`, `3 hours`, `2 weeks`. */
export function humanDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  if (whole < 1) return "Less than a second";
  if (whole === 1) return "1 second";
  if (whole < MINUTE) return `${whole} seconds`;
  const minutes = Math.trunc(seconds / MINUTE);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  // Half an hour and more counts up.
  const hours = Math.round(seconds / HOUR);
  if (hours === 1) return "About an hour";
  if (hours < 2 * DAY_HOURS) return `${hours} hours`;
  const days = hours / DAY_HOURS;
  if (days < 14) return `${Math.floor(days)} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.trunc(seconds / HOUR / DAY_HOURS / 365)} years`;
}
