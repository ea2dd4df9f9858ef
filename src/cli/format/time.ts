import { humanDuration } from "../../spec/duration.ts";

/** `3 minutes ago`, of a moment in seconds since 1970. */
export function ago(seconds: number, now = Date.now() / 1000): string {
  return `${humanDuration(now - seconds)} ago`;
}

const pad = (n: number): string => String(n).padStart(2, "0");

function offset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function zoneName(date: Date): string {
  if (date.getTimezoneOffset() === 0) return "UTC";
  const part = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" })
    .formatToParts(date)
    .find((p) => p.type === "timeZoneName");
  return part?.value ?? offset(date);
}

/** Go's `time.String()` in local time: `2026-11-25 23:02:27 +0000 UTC`; of seconds since 1970. */
export function goTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${localDate(date)} ${localClock(date)} ${offset(date)} ${zoneName(date)}`;
}

/** The same of an RFC 3339 time, with the digits behind its second. */
export function goTimeOf(text: string | undefined): string {
  const digits = /\.(\d+)/.exec(text ?? "")?.[1]?.replace(/0+$/, "") ?? "";
  const whole = goTime(Math.floor(unixOf(text)));
  return digits === "" ? whole : whole.replace(/^(\S+ \S+)/, `$1.${digits}`);
}

function localDate(date: Date): string {
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

function localClock(date: Date): string {
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** RFC 3339 in local time, `2026-11-25T23:02:27Z`; `nanos` are the digits behind the second, if shown. */
export function localRfc3339(seconds: number, nanos?: string): string {
  const date = new Date(seconds * 1000);
  const zone = offset(date);
  const suffix = zone === "+0000" ? "Z" : `${zone.slice(0, 3)}:${zone.slice(3)}`;
  return `${localDate(date)}T${localClock(date)}${nanos === undefined ? "" : `.${nanos}`}${suffix}`;
}

const ZERO_YEAR = /^0001-01-01T/;

/** Seconds since 1970 of an RFC 3339 time; 0 for Go's zero time and for what is not a time. */
export function unixOf(text: string | null | undefined): number {
  if (!text || ZERO_YEAR.test(text)) return 0;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? 0 : ms / 1000;
}

/** Go's `time.String()` in UTC, of an RFC 3339 time; the zero time for anything else. */
export function goTimeUtc(text: string): string {
  const [, date = "0001-01-01", clock = "00:00:00", digits = ""] =
    /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?/.exec(text) ?? [];
  const fraction = digits.replace(/0+$/, "");
  return `${date} ${clock}${fraction === "" ? "" : `.${fraction}`} +0000 UTC`;
}
